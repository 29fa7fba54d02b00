package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"webim/room/token"
)

// signCarol makes a token for carol with the given lifetime.
func signCarol(t *testing.T, life time.Duration) string {
	t.Helper()
	signer, err := token.NewSigner(token.Key{Secret: []byte(pageSecret)})
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := signer.Sign(token.Claims{User: "carol", Info: []byte(`{"name":"Carol"}`), Expires: time.Now().Add(life).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	return jwt
}

// testTokenExpires checks that the page asks the application or, without one, its user for another
// token, while it is open and when it is loaded.
func testTokenExpires(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--token-secret", pageSecret, "--token-leeway", "0s")
	url := "http://" + server.addrs[0] + "/"
	old, good := signCarol(t, -time.Minute), signCarol(t, time.Hour)
	stored := func(jwt string) string {
		return `localStorage.getItem('webim.identity') || localStorage.setItem('webim.identity', JSON.stringify({ token: ` + quote(jwt) + ` }))`
	}
	asked := openTab(t, browser)
	asked.beforePage(stored(old))
	asked.do(chromedp.Navigate(url + "?room=tea")) // a room to visit is asked for still when the token is there
	asked.wait(`document.querySelector('dialog [name=token]') !== null`)
	eval[bool](asked, `(document.querySelector('dialog [name=token]').value = `+quote(good)+`, document.querySelector('dialog [value=ok]').click(), true)`)
	asked.isIn()
	asked.wait(`document.querySelector('#me').textContent === 'You are Carol' && document.querySelector('#banner').textContent.startsWith('You are looking at this room')`)
	asked.do(chromedp.Reload())
	asked.isIn()

	embedded := openTab(t, browser)
	embedded.beforePage(stored(old) + `; window.webimToken = async () => ` + quote(good))
	embedded.do(chromedp.Navigate(url))
	embedded.isIn()

	bad := openTab(t, browser)
	bad.beforePage(stored("no.good.token"))
	bad.do(chromedp.Navigate(url))
	bad.wait(`document.querySelector('#entry-fault').textContent === 'Disconnected: the server does not accept this token.' && document.querySelector('#retry').textContent === 'Enter a token'`)
}

// An application embeds the page: it serves a copy of index.html that names the address
// of a token, and everything else from webim.
type application struct {
	*httptest.Server
	asked  atomic.Int32 // how often for a token
	status atomic.Int32 // of the answer; 200 with a token that is good for two seconds
}

func startApplication(t *testing.T, webim string) *application {
	t.Helper()
	a := &application{}
	a.status.Store(http.StatusOK)
	mux := http.NewServeMux()
	mux.Handle("/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: webim})
		r.Out.Header.Del("Origin")
	}})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		page, err := http.Get("http://" + webim + "/")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer page.Body.Close()
		html, _ := io.ReadAll(page.Body)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, strings.Replace(string(html), "<title>", `<meta name="webim-token" content="app/token"><title>`, 1))
	})
	mux.HandleFunc("GET /app/token", func(w http.ResponseWriter, _ *http.Request) {
		a.asked.Add(1)
		status := int(a.status.Load())
		w.WriteHeader(status)
		if status == http.StatusOK {
			_, _ = io.WriteString(w, signCarol(t, 3*time.Second)+"\n")
		}
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(func() { a.CloseClientConnections(); a.Close() })
	return a
}

// awaitAsked waits until the application was asked for n more tokens.
func (a *application) awaitAsked(t *testing.T, n int32) {
	t.Helper()
	from := a.asked.Load()
	retry(t, func() bool { return a.asked.Load() >= from+n })
}

// testTokenOfApplication checks that a page that an application embeds connects with the tokens of the
// application, and stays connected when they expire.
func testTokenOfApplication(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--token-secret", pageSecret, "--token-leeway", "0s")
	app := startApplication(t, server.addrs[0])
	host := strings.TrimPrefix(app.URL, "http://")
	p := openTab(t, browser)
	p.beforePage(`window.states = []; addEventListener('DOMContentLoaded', () => new MutationObserver(() => states.push(document.body.dataset.state)).observe(document.body, { attributeFilter: ['data-state'] }))`)
	p.do(chromedp.Navigate(app.URL))
	p.isIn()
	p.wait(`document.querySelector('#me').textContent === 'You are Carol' && document.querySelector('#sign-out').hidden && localStorage.getItem('webim.identity') === null`)
	eval[bool](p, `(states.length = 0, true)`)
	app.awaitAsked(t, 2) // the tokens expire, and nothing is to be seen of it
	p.enter(text, "still here")
	p.shows("still here")
	p.settled()

	// The application is down for a moment: the page does not ask the user for a token.
	p.expect(`Failed to load resource: the server responded with a status of 503 \(.*\) http://%s/app/token`, host)
	app.status.Store(http.StatusServiceUnavailable)
	app.awaitAsked(t, 1)
	app.status.Store(http.StatusOK)
	app.awaitAsked(t, 1)
	if got := eval[string](p, `states.join() + (document.querySelector('dialog') ? ' and a dialog' : '')`); got != "" {
		t.Errorf("while tokens expired the page was %s", got)
	}

	// Nobody is signed in there: the reader is asked, and may ask the application again.
	p.expect(`Failed to load resource: the server responded with a status of 401 \(.*\) http://%s/app/token`, host)
	app.status.Store(http.StatusUnauthorized)
	p.wait(`document.querySelector('dialog [name=token]') !== null`)
	eval[bool](p, `(document.querySelector('dialog button[type=button]').click(), true)`)
	p.wait(`document.body.dataset.state === 'ended' && document.querySelector('#retry').textContent === 'Enter a token'`)
	app.status.Store(http.StatusOK)
	p.do(chromedp.Click(chromedp.CSS("#retry")))
	p.isIn()

	// A new user may meanwhile sign in as a guest.
	app.status.Store(http.StatusUnauthorized)
	guest := openTab(t, browser)
	guest.expect(`Failed to load resource: the server responded with a status of 401 \(.*\) http://%s/app/token`, host)
	guest.do(chromedp.Navigate(app.URL))
	guest.wait(`document.body.dataset.state === 'out' && document.querySelector('#entry-fault').textContent === ''`)
	guest.enter(chromedp.CSS("#name"), "Gus")
	guest.isIn()
	guest.wait(`document.querySelector('#me').textContent === 'You are Gus' && !document.querySelector('#sign-out').hidden`)
}

// testTokenRunsOut checks that the page asks its user for a token while it is open, and that signing out
// in another tab ends the question.
func testTokenRunsOut(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--token-secret", pageSecret, "--token-leeway", "0s")
	p := openTab(t, browser)
	p.do(chromedp.Navigate("http://" + server.addrs[0] + "/"))
	p.wait(`document.querySelector('#entry').checkVisibility()`)
	eval[bool](p, `(document.querySelector('details').open = true, true)`)
	p.enter(chromedp.CSS("#token"), signCarol(t, 3*time.Second))
	p.wait(`document.querySelector('dialog [name=token]') !== null`)
	p.screenshot("chat-19-token")
	eval[bool](p, fmt.Sprintf(`(document.querySelector('dialog [name=token]').value = %q, document.querySelector('dialog [value=ok]').click(), true)`, signCarol(t, 8*time.Second)))
	p.isIn()
	p.enter(text, "a draft")
	p.shows("a draft")
	p.wait(`document.querySelector('dialog [name=token]') !== null`)
	eval[bool](p, `(localStorage.removeItem('webim.identity'), dispatchEvent(new StorageEvent('storage', { key: 'webim.identity', newValue: null })), true)`)
	retry(t, func() bool {
		there, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](`document.querySelector('#name')?.checkVisibility() === true && document.querySelector('dialog') === null && sessionStorage.length === 0`))
		return err == nil && there
	})
}
