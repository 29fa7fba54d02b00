package main_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// testWithoutStorage checks that the page works if storage is blocked or full, or throws at each call.
func testWithoutStorage(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	for name, script := range map[string]string{
		"blocked": `for (const area of ['localStorage', 'sessionStorage']) Object.defineProperty(window, area, { get() { throw new DOMException('blocked', 'SecurityError'); } })`,
		"null":    `for (const area of ['localStorage', 'sessionStorage']) Object.defineProperty(window, area, { value: null })`,
		"full":    `Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }`,
		"throws":  `for (const f of ['setItem', 'getItem', 'removeItem']) Storage.prototype[f] = () => { throw new DOMException('no', 'InvalidStateError'); }`,
	} {
		p := openTab(t, browser)
		p.beforePage(script)
		for _, page := range []string{"", "classic"} {
			p.do(chromedp.Navigate(server.url + page))
			if page == "" {
				p.wait(`document.querySelector('#name').checkVisibility()`)
				p.enter(chromedp.CSS("#name"), "Ann")
				p.isIn()
				p.do(chromedp.SendKeys(text, "storage is "+name))
				p.do(chromedp.Click(chromedp.CSS("#send")))
				p.shows("storage is " + name)
				p.settled()
			} else {
				p.wait(connected)
			}
		}
	}
}

// testCorruptStorage checks that the page connects and sends with any content of the storage, for
// example of another script or an older version.
func testCorruptStorage(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := come(t, browser, server.url, "Ann")
	user := ann.user()
	for _, left := range []string{
		`{`, `null`, `1`, `"x"`, `[]`, `true`, `{}`, `{"user":1,"rooms":[]}`,
		`{"user":` + quote(user) + `}`,
		`{"user":` + quote(user) + `,"rooms":{}}`,
		`{"user":` + quote(user) + `,"rooms":[1,null,"x",[],["lobby"],["lobby",7],[{},[]],["lobby",[null,1,"x",{},{"id":1},{"id":"a","text":[]},{"id":"b","text":"t","time":"x"},{"id":"c","text":"t","time":1e300}]]]}`,
		`{"user":` + quote(user) + `,"rooms":[["lobby","a string"],["lobby",{"text":"an object"}]]}`,
	} {
		eval[bool](ann, `(() => { for (const key of ['webim.outbox', 'webim.drafts']) sessionStorage.setItem(key, `+quote(left)+`); localStorage.setItem('webim.language', 'constructor'); return true; })()`)
		ann.do(chromedp.Reload())
		ann.isIn()
		ann.enter(text, "after "+left)
		ann.shows(strings.TrimSpace("after " + left))
		ann.settled()
	}
	for _, left := range []string{`{`, `null`, `[]`, `"x"`, `{"token":1,"name":[]}`, `{"token":{},"name":"Ann"}`} {
		eval[bool](ann, `(localStorage.setItem('webim.identity', `+quote(left)+`), true)`)
		ann.do(chromedp.Reload())
		ann.wait(`document.querySelector('#name').checkVisibility() || document.body.dataset.state === 'connected'`)
	}
}

// testOlderBrowser checks that a browser of 2023 shows messages, names and emojis. Such a browser has
// no Intl.Segmenter, which came to Firefox in April 2024, and no later feature.
func testOlderBrowser(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	p := openTab(t, browser)
	p.beforePage(`delete Intl.Segmenter; delete Promise.withResolvers; delete Promise.try; delete Object.groupBy; delete Map.groupBy;
		for (const f of ['toSorted', 'toReversed', 'toSpliced', 'with']) delete Array.prototype[f];
		for (const f of ['isWellFormed', 'toWellFormed']) delete String.prototype[f];
		for (const f of ['union', 'intersection', 'difference']) delete Set.prototype[f];
		const Real = RegExp; window.RegExp = new Proxy(Real, { construct(of, [s, f = '']) { if (String(f).includes('v')) throw new SyntaxError('flag v'); return new of(s, f); } })`)
	p.do(chromedp.Navigate(server.url))
	p.wait(`document.querySelector('#name').checkVisibility()`)
	p.enter(chromedp.CSS("#name"), "x\u0301va")
	p.isIn()
	for _, said := range []string{"hello", "👨‍👩‍👧‍👦 🇩🇪 👍🏽", strings.Repeat("é🙂", 200)} {
		p.enter(text, said)
		p.shows(said)
	}
	p.wait(`document.querySelectorAll('#log .body.large').length === 1`)
	p.wait(`document.querySelector('#portrait .letter').textContent === 'X'`)
	p.wait(`document.querySelector('#room-list .last')?.textContent.endsWith('…')`)
}

// testTooOldBrowser checks that the page tells its user if the browser is too old to run it.
func testTooOldBrowser(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	p := openTab(t, browser)
	p.beforePage(`document.setAttributeless = 1; Object.defineProperty(Intl, 'DateTimeFormat', { value: undefined }); delete window.ResizeObserver`)
	p.do(chromedp.Navigate(server.url))
	p.wait(`document.querySelector('#too-old').checkVisibility() && !document.querySelector('#entry').checkVisibility()`)
	p.takeComplaints() // app.js did not start, as it should be here
}

// testWrongClock checks that a device with a clock that is wrong by a day shows each day once, in
// order, and the server's times of messages.
func testWrongClock(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	right := come(t, browser, server.url, "Right")
	right.enter(text, "one")
	right.shows("one")
	tabs := []*tab{right}
	for _, off := range []string{"86400000", "-86400000"} {
		p := openTab(t, browser)
		tabs = append(tabs, p)
		p.beforePage(`{ const Real = Date, off = ` + off + `; window.Date = new Proxy(Real, {
			construct: (of, args) => args.length ? new of(...args) : new of(Real.now() + off),
			get: (of, key) => key === 'now' ? () => Real.now() + off : of[key] }); window.Real = Real; }`)
		p.do(chromedp.Navigate(server.url))
		p.wait(`document.querySelector('#name').checkVisibility()`)
		p.enter(chromedp.CSS("#name"), "Wrong"+off)
		p.isIn()
		p.enter(text, "mine "+off)
		p.shows("mine " + off)
		right.enter(text, "another "+off)
		p.shows("another " + off)
		p.wait(`[...document.querySelectorAll('#log .day')].map((n) => n.textContent).join() === 'Today' && document.querySelector('#log .day') === document.querySelector('#log .note').nextElementSibling`)
		if far := eval[float64](p, `Math.max(...[...document.querySelectorAll('#log time')].map((n) => Math.abs(Real.now() - Real.parse(n.getAttribute('datetime')))))`); far > 3_600_000 {
			t.Errorf("clock off by %s ms: a message is dated %v ms away", off, far)
		}
	}
	// The clock is set back while the page is open. The page still tells others that its user is
	// typing, and shows the right number of seconds until the next attempt.
	p := come(t, browser, server.url, "Jumps")
	p.do(chromedp.SendKeys(text, "a"))
	right.wait(`document.querySelector('#typing').textContent === 'Jumps is typing …'`)
	p.enter(text, "before")
	right.shows("abefore")
	eval[bool](p, `(() => { const real = Date.now; Date.now = () => real() - 3 * 86_400_000; return true; })()`)
	p.do(chromedp.SendKeys(text, "b"))
	right.wait(`document.querySelector('#typing').textContent === 'Jumps is typing …'`)
	for _, one := range append(tabs, p) {
		one.expect(closing, server.host)
	}
	server.kill()
	p.wait(`document.body.dataset.state === 'waiting'`)
	eval[bool](p, `(() => { const real = Date.now; Date.now = () => real() - 3 * 86_400_000; dispatchEvent(new Event('online')); return true; })()`)
	p.wait(`/^Reconnecting( …| in \d{1,2} s)$/.test(document.querySelector('#state').textContent)`)
}
