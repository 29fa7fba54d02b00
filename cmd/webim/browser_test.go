package main_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
	"webim/web"
)

// TestBrowser opens the pages in a real Chromium and talks through the real
// program. One browser serves all parts; each part has a server of its own.
func TestBrowser(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	program := buildForPages(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, context.Context, string)
	}{
		{"TwoPagesChat", testTwoPagesChat},
		{"OverTLS", testOverTLS},
		{"Rooms", testRooms},
		{"MarkupIsInert", testMarkupIsInert},
		{"PolicyBites", testPolicyBites},
		{"DocumentIsBounded", testDocumentIsBounded},
		{"ServerIsKilled", testServerIsKilled},
		{"ServerStops", testServerStops},
		{"SentButLost", testSentButLost},
		{"BackOff", testBackOff},
		{"FinalClose", testFinalClose},
		{"OriginalPage", testOriginalPage},
		{"SDK", testSDK},
		{"SDKWithoutToken", testSDKWithoutToken},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel() // half of the time is spent waiting for the next try
			part.test(t, browser, program)
		})
	}
}

// Expressions of JavaScript for the state of the simple page.
const (
	connected    = `document.body.dataset.state === 'connected'`
	reconnecting = `document.body.dataset.state === 'reconnecting'`
	box          = chromedp.CSS("#text")
)

// openChat opens our simple page and waits for its connection.
func openChat(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	p := openTab(t, browser)
	p.do(chromedp.Navigate(classic(url)))
	p.wait(connected)
	return p
}

// classic is the simple page's address on a server, with the query of url.
func classic(url string) string {
	base, query, _ := strings.Cut(url, "?")
	url = strings.TrimSuffix(base, "/") + "/classic"
	if query != "" {
		url += "?" + query
	}
	return url
}

// top is true when the newest entry on our page has this text.
func top(text string) string {
	return `document.querySelector('#log').firstElementChild?.querySelector('bdi').textContent === ` + quote(text)
}

func testTwoPagesChat(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann, bob := openChat(t, browser, server.url), openChat(t, browser, server.url)
	ann.screenshot("1-empty")

	ann.do(chromedp.SendKeys(box, "Hello, is anybody there?"+kb.Enter))
	ann.wait(top("Hello, is anybody there?")) // the sender's own comes back too
	bob.wait(top("Hello, is anybody there?"))
	bob.do(chromedp.SendKeys(box, "Yes: häß, 你好, 👋🏽"), chromedp.Click(chromedp.CSS("#composer button")))
	for _, p := range []*tab{ann, bob} {
		p.wait(top("Yes: häß, 你好, 👋🏽"))
		if got := eval[string](p, `document.querySelector('#log').lastElementChild.textContent`); got != "new message: Hello, is anybody there?" {
			t.Errorf("the older entry is %q", got)
		}
		if left := eval[string](p, `document.querySelector('#text').value`); left != "" {
			t.Errorf("%q is left in the box", left)
		}
	}
	if focus := eval[string](bob, `document.activeElement.id`); focus != "text" {
		t.Errorf("after Send the focus is on %q, want the box", focus)
	}

	// A binary frame comes from another program: the page has only text to send.
	eval[bool](ann, `new Promise((done) => {
		const other = new WebSocket(location.origin.replace('http', 'ws'));
		other.onopen = () => { other.send(new Uint8Array(5)); done(true); };
	})`)
	bob.wait(top("[binary, 5 bytes]"))
	ann.wait(top("[binary, 5 bytes]"))
	ann.screenshot("2-chat")
	dark(ann)
	ann.screenshot("3-chat-dark")
}

// testOverTLS checks that pages loaded by https (wss) and by http (ws) share a room.
func testOverTLS(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0")
	plain, secure := openChat(t, browser, "http://"+server.addrs[0]), openChat(t, browser, "https://"+server.addrs[1])
	secure.enter(box, "from wss")
	plain.wait(top("from wss"))
	plain.enter(box, "from ws")
	secure.wait(top("from ws"))
}

func dark(p *tab) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return err
	}))
}

func phone(p *tab) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(360, 640, chromedp.EmulateMobile, chromedp.EmulateScale(2)))
}

func testRooms(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	lobby := openChat(t, browser, server.url)
	tea, alsoTea := openChat(t, browser, server.url+"?room=tea%20room"), openChat(t, browser, server.url+"?room=tea+room")
	if title, err := chromedp.Run(tea.ctx, chromedp.Title()); err != nil || title != "tea room · webim" {
		t.Errorf("title %q, error %v", title, err)
	}
	lobby.enter(box, "in the lobby")
	tea.enter(box, "in the tea room")
	lobby.wait(top("in the lobby"))
	tea.wait(top("in the tea room"))
	alsoTea.wait(top("in the tea room"))
	for _, p := range []*tab{lobby, tea, alsoTea} {
		if n := eval[int](p, `document.querySelector('#log').childElementCount`); n != 1 {
			t.Errorf("a page shows %d messages, want that of its room only", n)
		}
	}
}

func testMarkupIsInert(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann, bob := openChat(t, browser, server.url), openChat(t, browser, server.url)
	phone(bob)
	for _, text := range []string{
		`<script>window.harmed = true</script>`,
		`<img src=x onerror="window.harmed = true">`,
		`<svg onload="window.harmed = true"><style>*{display:none}</style>`,
		`<a href="javascript:window.harmed = true">[here](javascript:window.harmed=true)</a>`,
		`</bdi></p></main><base href="https://example.com/"><!--`,
		`&lt;b&gt; &amp; ${window.harmed = true} {{1+1}}`,
		"\u202egnirts desrever\u2066\u2067 \u200f\u061c",
		strings.Repeat("w", 16_000),
	} {
		ann.enter(box, text)
		for _, p := range []*tab{ann, bob} {
			p.wait(top(text))
		}
	}
	for _, p := range []*tab{ann, bob} {
		if eval[bool](p, `'harmed' in window`) {
			t.Error("a message ran as a script")
		}
		if odd := eval[int](p, `document.querySelectorAll('#log :not(p, p > span, p > bdi)').length`); odd != 0 {
			t.Errorf("the messages brought %d elements of their own", odd)
		}
		if !eval[bool](p, `document.documentElement.scrollWidth <= innerWidth`) {
			t.Error("the long word made the page wider than the window")
		}
		// If the override of the direction reached the label, the label would be to the right of its text.
		if !eval[bool](p, `[...document.querySelectorAll('#log p')].every((m) =>
			m.querySelector('span').getBoundingClientRect().left <= m.querySelector('bdi').getBoundingClientRect().left + 1)`) {
			t.Error("a bidi control moved the page's own words")
		}
	}
	ann.screenshot("4-markup")
	bob.screenshot("5-markup-phone")
}

// testPolicyBites inserts markup as a mistake in app.js would, and checks that the browser refuses it
// and that a tab of the tests reports the violation.
func testPolicyBites(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	p := openChat(t, browser, server.url)
	for _, mistake := range []string{
		`document.querySelector('#log').innerHTML = '<img src=x onerror="window.harmed = true">'`,
		`const s = document.createElement('script'); s.append('window.harmed = true'); document.body.append(s)`,
		`const s = document.createElement('style'); s.append('*{display:none}'); document.body.append(s)`,
		`document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.2:1/pixel' }))`,
		`new WebSocket('ws://127.0.0.2:1/')`,
	} {
		eval[bool](p, `new Promise((done) => {
			document.addEventListener('securitypolicyviolation', () => done(true), { once: true });
			try { `+mistake+` } catch {}
		})`)
		if len(p.takeComplaints()) == 0 {
			t.Errorf("the browser said nothing about %s", mistake)
		}
	}
	if eval[bool](p, `'harmed' in window`) {
		t.Error("an inline script ran")
	}
}

func testDocumentIsBounded(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	p := openChat(t, browser, server.url)
	eval[bool](p, `new Promise((done) => {
		const other = new WebSocket(location.origin.replace('http', 'ws'));
		other.onopen = () => {
			for (let i = 1; i <= 250; i++) other.send('message ' + i);
			done(true);
		};
	})`)
	p.wait(top("message 250"))
	if n := eval[int](p, `document.querySelector('#log').childElementCount`); n != 200 {
		t.Errorf("the page keeps %d messages, want the newest 200", n)
	}
	if oldest := eval[string](p, `document.querySelector('#log').lastElementChild.textContent`); oldest != "new message: message 51" {
		t.Errorf("the oldest one kept is %q", oldest)
	}
	p.screenshot("6-many")
}

func testServerIsKilled(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, wstest.FreeAddr(t).String())
	ann, bob := openChat(t, browser, server.url), openChat(t, browser, server.url)
	tabs := []*tab{ann, bob}
	for _, p := range tabs {
		p.expect(unreached, server.host)
	}
	server.kill()
	for _, p := range tabs {
		p.wait(reconnecting + ` && /^next try in \d+ s, attempt \d+$/.test(document.querySelector('#progress').textContent)`)
	}

	ann.enter(box, "typed without a connection")
	ann.wait(`document.querySelector('#notice').textContent.startsWith('Not sent')`)
	if kept := eval[string](ann, `document.querySelector('#text').value`); kept != "typed without a connection" {
		t.Errorf("the box holds %q after a refused send", kept)
	}
	ann.screenshot("7-reconnecting")
	phone(ann)
	dark(ann)
	if h := eval[float64](ann, `document.querySelector('h1').getBoundingClientRect().height`); h > 40 {
		t.Errorf("on a phone the title is %v pixels high: the connection's words squeeze it", h)
	}
	ann.screenshot("8-reconnecting-phone-dark")

	startWebim(t, program, server.host)
	for _, p := range tabs {
		p.wait(connected + ` && document.querySelector('#fault').textContent === ''`)
		p.expectUp()
	}
	ann.do(chromedp.Focus(box), chromedp.KeyEvent(kb.Enter))
	for _, p := range tabs {
		p.wait(top("typed without a connection"))
	}
	bob.enter(box, "and back")
	for _, p := range tabs {
		p.wait(top("and back"))
	}
}

// testServerStops ends the server by SIGTERM, after which it closes all clients with 1001.
func testServerStops(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	p := openChat(t, browser, server.url)
	p.expect(refusing, server.host)
	eval[bool](p, `window.faults = [], new MutationObserver((changes) => {
		for (const c of changes) faults.push(c.target.textContent);
	}).observe(document.querySelector('#fault'), { childList: true }), true`)
	server.signal(syscall.SIGTERM)
	p.wait(`faults.some((f) => f.includes('(code 1001)'))`) // the next fault, of a failed retry, hides it soon
	p.wait(reconnecting)
}

// testSentButLost stops the server's process before a message can reach it.
func testSentButLost(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	p := openChat(t, browser, server.url)
	p.expect(unreached, server.host)
	server.signal(syscall.SIGSTOP)
	p.enter(box, "into the void")
	server.kill()
	p.wait(top("into the void"))
	if label := eval[string](p, `document.querySelector('#log span').textContent`); label != "perhaps not sent:" {
		t.Errorf("the lost text is shown as %q", label)
	}
	p.screenshot("9-lost")
}

// testBackOff replaces the random numbers of the page: the page waits luck times the longest time that
// full jitter allows.
func testBackOff(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, wstest.FreeAddr(t).String())
	p := openTab(t, browser)
	p.beforePage(`window.luck = 1; Math.random = () => window.luck`)
	p.do(chromedp.Navigate(classic(server.url)))
	p.wait(connected)
	p.expect(unreached, server.host)
	// The page shows each of these for a second or less, so that a test that looks would come too late.
	eval[bool](p, `window.said = [], new MutationObserver((changes) => {
		for (const c of changes) said.push(c.target.textContent);
	}).observe(document.querySelector('#progress'), { childList: true }), true`)
	said := func(progress string) string { return `said.some((s) => s.startsWith(` + quote(progress) + `))` }
	server.kill()
	p.wait(said("next try in 1 s, attempt 1")) // half a second, rounded up
	p.wait(said("next try in 2 s, attempt 3"))
	eval[bool](p, `window.luck = 0; true`)
	p.wait(`Number(/attempt (\d+)$/.exec(document.querySelector('#progress').textContent)?.[1]) >= 8`)
	eval[bool](p, `window.luck = 1; true`)
	p.wait(said("next try in 30 s"))

	// From here on the page waits so long that it never tries by itself: only these can be a try.
	const hours = `/^next try in \d{3,} s/.test(document.querySelector('#progress').textContent)`
	eval[bool](p, `window.luck = 10_000; true`)
	p.do(chromedp.Click(chromedp.CSS("#retry")))
	p.wait(hours)
	server = startWebim(t, program, server.host)
	eval[bool](p, `dispatchEvent(new Event('online'))`)
	p.wait(connected)
	server.kill()
	p.wait(hours)
	startWebim(t, program, server.host)
	p.do(chromedp.Click(chromedp.CSS("#retry")))
	p.wait(connected)
	if focus := eval[string](p, `document.activeElement.id`); focus != "text" {
		t.Errorf("after a retry by hand the focus is on %q, want the box", focus)
	}
}

// testFinalClose needs a server that closes for good, which webim does not yet
// do in the plain dialect.
func testFinalClose(t *testing.T, browser context.Context, _ string) {
	var dials atomic.Int32
	pages := web.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			pages.ServeHTTP(w, r)
			return
		}
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		dials.Add(1)
		_ = ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(4500, "<b>banned</b>")))
		_, _ = ws.ReadHeader(conn) // of the page's answer
	}))
	t.Cleanup(server.Close)

	p := openTab(t, browser)
	p.do(chromedp.Navigate(classic(server.URL)))
	const final = `document.body.dataset.state === 'disconnected' && document.querySelector('#progress').textContent === ''`
	p.wait(final)
	if got, want := eval[string](p, `document.querySelector('#fault').textContent`), "Disconnected by the server: <b>banned</b> (code 4500)."; got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
	p.screenshot("11-disconnected")
	if n := dials.Load(); n != 1 {
		t.Errorf("the page dialled %d times, want once", n)
	}
	p.do(chromedp.Click(chromedp.CSS("#retry"))) // the user may still ask
	p.wait(final + ` && document.activeElement.id === 'text'`)
	if n := dials.Load(); n != 2 {
		t.Errorf("after a retry by hand the page has dialled %d times, want twice", n)
	}
}
