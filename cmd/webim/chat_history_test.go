package main_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// testDraftsAndTexts checks that each room keeps its draft over a reload, that the page sends a text
// unchanged, and that a text that is too long or invisible stays in the box.
func testDraftsAndTexts(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0", "--max-text", "1500B", "--max-graphemes", "1200", "--max-publication", "2KiB")
	ann := come(t, browser, server.url, "Ann")
	joinRoom := func(name string) {
		ann.do(chromedp.Click(chromedp.CSS("#add")))
		ann.pick("Join a room by name")
		ann.confirm(map[string]string{"room": name})
		ann.wait(`document.querySelector('#heading').textContent === ` + quote(name))
		ann.isIn()
	}
	ann.do(chromedp.Focus(text), insert("for the lobby"))
	joinRoom("tea")
	ann.do(chromedp.Focus(text), insert("for tea"))
	ann.do(chromedp.Reload())
	ann.isIn()
	ann.wait(`document.querySelector('#heading').textContent === 'tea' && document.querySelector('#text').value === 'for tea'`)
	ann.do(chromedp.KeyEvent(kb.Enter))
	ann.enter(text, "")
	ann.shows("for tea")
	ann.chooseRoom("Lobby")
	ann.wait(`document.querySelector('#text').value === 'for the lobby'`)
	eval[bool](ann, `(document.querySelector('#text').value = '', document.querySelector('#text').dispatchEvent(new Event('input')), true)`)

	for _, typed := range []string{"    indented\n\tcode", "\u3000\u3000段落", "\nfirst line is empty"} {
		ann.enter(text, typed+"  \n\u3000")
		ann.shows(typed)
		ann.settled()
	}
	// The page counts as the server does, and says so before it sends.
	eval[bool](ann, `(() => { window.sent = []; const send = WebSocket.prototype.send; WebSocket.prototype.send = function (data) { sent.push(data); return send.call(this, data); }; return true; })()`)
	empty := `(document.querySelector('#text').value = '', document.querySelector('#text').dispatchEvent(new Event('input')), true)`
	for _, tc := range []struct{ most, more, wrong string }{
		{strings.Repeat("x", 1200), "y", "The text has 1,201 characters, and 1,200 are allowed here. Shorten it."},
		{strings.Repeat("é", 750), "é", "The text has 1,502 bytes, and 1,500 are allowed here. Shorten it."},
		{strings.Repeat(`"`, 700), strings.Repeat(`"`, 300), "bytes, and 1,"},
	} {
		ann.do(chromedp.Focus(text), insert(tc.most+tc.more))
		ann.wait(`document.querySelector('#excess').textContent.includes(` + quote(tc.wrong) + `) && document.querySelector('#text').ariaInvalid === 'true'`)
		ann.do(chromedp.KeyEvent(kb.Enter))
		ann.wait(`[...document.querySelectorAll('.toast')].at(-1)?.textContent.includes(` + quote(tc.wrong) + `) && document.querySelector('#text').value === ` + quote(tc.most+tc.more))
		if eval[bool](ann, `sent.some((data) => data.includes('"method":"send"'))`) {
			t.Error("a text that is too long is sent")
		}
		eval[bool](ann, empty)
		ann.wait(`document.querySelector('#excess').textContent === '' && document.querySelector('#text').ariaInvalid === null`)
		ann.enter(text, tc.most)
		ann.shows(tc.most)
		ann.settled()
		eval[bool](ann, `(sent.length = 0, true)`)
	}
	eval[bool](ann, `(document.querySelector('#text').value = 'half a pair \ud83d', true)`)
	ann.enter(text, "!")
	ann.shows("half a pair \ufffd!")
	ann.settled()
	// A draft of half a million characters outlives the reload, too.
	eval[bool](ann, `(document.querySelector('#text').value = '0123456789'.repeat(50_000), document.querySelector('#text').dispatchEvent(new Event('input')), true)`)
	ann.do(chromedp.Reload())
	ann.isIn()
	ann.wait(`document.querySelector('#text').value.length === ` + "500000")
	eval[bool](ann, empty)
	for _, unseen := range []string{"\u200b", "\u2800"} {
		ann.enter(text, unseen)
		ann.wait(`document.querySelector('#text').value !== '' && document.querySelector('#log .failed, #log .sending') === null`)
		eval[bool](ann, `(document.querySelector('#text').value = '', document.querySelector('#text').dispatchEvent(new Event('input')), true)`)
	}
}

// testBack checks that Back returns to the previous room or closes a drawer, and does not leave the page.
func testBack(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := come(t, browser, server.url, "Ann")
	for _, name := range []string{"tea", "bench"} {
		ann.do(chromedp.Click(chromedp.CSS("#add")))
		ann.pick("Join a room by name")
		ann.confirm(map[string]string{"room": name})
		ann.wait(`document.querySelector('#heading').textContent === ` + quote(name))
	}
	back := func() { eval[bool](ann, `(history.back(), true)`) }
	for _, title := range []string{"tea", "Lobby"} {
		back()
		ann.wait(`document.querySelector('#heading').textContent === ` + quote(title) + ` && !document.querySelector('#text').disabled`)
	}
	eval[bool](ann, `(history.forward(), true)`)
	ann.wait(`document.querySelector('#heading').textContent === 'tea'`)

	phone(ann)
	for _, drawer := range []string{"rooms", "members"} {
		eval[bool](ann, `(document.querySelector('#show-`+drawer+`').click(), true)`)
		ann.wait(`document.body.dataset.view === '` + drawer + `'`)
		back()
		ann.wait(`document.body.dataset.view === 'room' && document.querySelector('#heading').textContent === 'tea'`)
	}
	// Choosing a room in a drawer closes the drawer.
	eval[bool](ann, `(document.querySelector('#show-rooms').click(), true)`)
	ann.wait(`document.body.dataset.view === 'rooms'`)
	ann.chooseRoom("bench")
	ann.wait(`document.body.dataset.view === 'room' && document.querySelector('#heading').textContent === 'bench'`)
	back()
	ann.wait(`document.body.dataset.view === 'room' && document.querySelector('#heading').textContent === 'tea'`)
}

// testSignOut checks that the page warns a guest, and that the other tabs of the browser sign out too.
func testSignOut(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := come(t, browser, server.url, "Ann")
	eval[bool](ann, `(document.querySelector('#sign-out').click(), true)`)
	ann.wait(`document.querySelector('dialog h2')?.textContent.includes('nobody can come in as you again')`)
	eval[bool](ann, `(document.querySelector('dialog button[type=button]').click(), true)`)
	ann.wait(`document.querySelector('dialog') === null && document.body.dataset.state === 'connected'`)

	// With the user, the page forgets drafts and messages on their way.
	eval[bool](ann, `(WebSocket.prototype.send = () => {}, true)`)
	ann.enter(text, "on its way")
	ann.wait(`document.querySelector('#log .sending') !== null && sessionStorage.getItem('webim.outbox') !== null`)
	ann.do(chromedp.Focus(text), insert("a draft"))
	ann.wait(`sessionStorage.getItem('webim.drafts') !== null`)
	// The browser sends this event to a tab when the user has signed out in another one.
	eval[bool](ann, `(localStorage.removeItem('webim.identity'), dispatchEvent(new StorageEvent('storage', { key: 'webim.identity', newValue: null })), true)`)
	retry(t, func() bool { // while the page is loaded again there is no document to watch
		there, err := chromedp.Run(ann.ctx, chromedp.Evaluate[bool](`document.querySelector('#name')?.checkVisibility() === true && sessionStorage.length === 0`))
		return err == nil && there
	})
}

// testBelowAPrefix checks that each page and chat.js find the server behind a proxy that serves webim
// below a path.
func testBelowAPrefix(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	target, err := url.Parse(server.url)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target) // and its Host: the proxy is trusted to have checked the origin
		r.Out.Header.Del("Origin")
	}}
	mux.Handle("/chat/", http.StripPrefix("/chat", proxy))
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)

	ann := come(t, browser, front.URL+"/chat/", "Ann")
	simple := openTab(t, browser)
	simple.do(chromedp.Navigate(front.URL + "/chat/classic"))
	simple.wait(connected)
	ann.enter(text, "below a prefix")
	ann.shows("below a prefix")
	simple.wait(top("below a prefix"))
	ann.do(chromedp.Click(chromedp.CSS("#add")))
	ann.pick("Join a room by name")
	ann.confirm(map[string]string{"room": "tea"})
	ann.wait(`location.pathname === '/chat/' && location.search === '?room=tea'`)
	ann.do(chromedp.Reload())
	ann.isIn()
	ann.wait(`document.querySelector('#heading').textContent === 'tea'`)

	_, key, _ := strings.Cut(server.output.String(), "/live/, its key is ")
	key, _, _ = strings.Cut(key, "\n")
	openLive(t, browser, strings.TrimPrefix(front.URL, "http://")+"/chat", key)
}

// testAnotherOrigin checks that a page of another origin that imports chat.js finds the server by it.
func testAnotherOrigin(t *testing.T, browser context.Context, program string) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>another</title><p>another page</p>`))
	}))
	t.Cleanup(page.Close)
	server := startWebim(t, program, "127.0.0.1:0", "--allow-origin", page.URL)
	p := openTab(t, browser)
	p.do(chromedp.Navigate(page.URL))
	said := eval[string](p, `import(`+quote(server.url+"chat.js")+`).then(async ({ Chat }) => {
		const chat = new Chat({ guest: 'Other' });
		await chat.connect();
		const room = chat.open('lobby');
		room.send('from another origin');
		await new Promise((done) => room.addEventListener('change', () => room.messages.at(-1)?.data.text === 'from another origin' && !room.outbox.length && done()));
		chat.disconnect();
		return room.messages.at(-1).data.text + ('Centrifuge' in globalThis);
	})`)
	if said != "from another originfalse" {
		t.Errorf("the other page says %q", said)
	}
}
