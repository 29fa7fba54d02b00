package main_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"webim/room/token"
)

func testTwoTalk(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	first := openTab(t, browser)
	first.do(chromedp.Navigate(server.url))
	first.wait(`document.querySelector('#entry').checkVisibility()`)
	first.screenshot("chat-1-entry")
	ann, bob := come(t, browser, server.url, "Ann"), come(t, browser, server.url, "Bob")
	ann.wait(`[...document.querySelectorAll('#member-list .title')].map((n) => n.textContent).join() === 'Ann,Bob'`)

	bob.do(chromedp.SendKeys(text, "Hel"))
	ann.wait(`document.querySelector('#typing').textContent === 'Bob is typing …'`)
	bob.do(chromedp.SendKeys(text, "lo"+kb.Enter))
	for _, p := range []*tab{ann, bob} {
		p.shows("Hello")
	}
	ann.wait(`document.querySelector('#typing').textContent === ''`)
	if got := eval[string](ann, `document.querySelector('#log .author').textContent`); got != "Bob" {
		t.Errorf("the author is %q", got)
	}
	bob.wait(`document.querySelector('#log .mine .progress').textContent === 'Read'`)

	ann.choose("Hello", "Reply")
	ann.do(chromedp.SendKeys(text, "Hi, Bob. See https://example.com/a?b=c."+kb.Enter))
	bob.shows("Hi, Bob. See https://example.com/a?b=c.")
	bob.wait(`document.querySelector('#log .quote').textContent === 'Bob: Hello'`)
	if got := eval[string](bob, `(() => { const a = document.querySelector('#log .body a'); return [a.href, a.rel, a.textContent].join(' '); })()`); got != "https://example.com/a?b=c noopener noreferrer nofollow https://example.com/a?b=c" {
		t.Errorf("the link is %s", got)
	}
	bob.choose("Hi, Bob. See https://example.com/a?b=c.", "👍")
	ann.wait(`document.querySelector('#log .chip')?.textContent === '👍 1'`)
	eval[bool](ann, `(document.querySelector('#log .chip').click(), true)`)
	bob.wait(`document.querySelector('#log .chip')?.textContent === '👍 2'`)
	eval[bool](ann, `(document.querySelector('#log .chip').click(), true)`)
	bob.wait(`document.querySelector('#log .chip')?.textContent === '👍 1'`)

	bob.choose("Hello", "Edit")
	if got := eval[string](bob, `document.querySelector('#text').value`); got != "Hello" {
		t.Errorf("to be edited: %q", got)
	}
	bob.do(chromedp.SendKeys(text, ", Ann"+kb.Enter))
	ann.wait(bodies + `[0] === 'Hello, Ann'`)
	ann.wait(`document.querySelector('#log .edited').textContent === 'edited'`)

	// A new line is Shift and Enter; Enter in the middle of a composition is not sent.
	bob.do(chromedp.SendKeys(text, "two"))
	for _, composing := range []string{`isComposing: true`, `keyCode: 229`} { // the second is Safari's way to say it
		eval[bool](bob, `(document.querySelector('#text').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', `+composing+`, cancelable: true, bubbles: true})), true)`)
	}
	bob.do(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(8)), chromedp.SendKeys(text, "lines"+kb.Enter))
	ann.shows("two\nlines")
	bob.choose("two\nlines", "Delete")
	bob.confirm(nil)
	ann.shows("This message was deleted.")
	ann.choose("Hello, Ann", "Reply") // of somebody else: no edit, no delete
	eval[bool](ann, `(document.querySelectorAll('#log .message')[0].querySelector('.actions').click(), true)`)
	if got := eval[string](ann, `[...document.querySelectorAll('[role=menuitem]')].map((n) => n.textContent).join()`); strings.Contains(got, "Edit") || strings.Contains(got, "Delete") || strings.Contains(got, "Ban") {
		t.Errorf("what Ann may do: %s", got)
	}
	ann.screenshot("chat-2-menu")
	ann.do(chromedp.KeyEvent(kb.Escape))
	ann.screenshot("chat-3-talk")
	dark(bob)
	bob.screenshot("chat-4-talk-dark")
	ann.do(chromedp.Reload()) // the same guest, by her token
	ann.isIn()
	ann.wait(bodies + `[0] === 'Hello, Ann'`)
	ann.wait(`document.querySelectorAll('#log .mine').length === 1`)
}

// testThreeTalk makes the picture of the README and the manual, web/docs/chat.png.
func testThreeTalk(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann, bob, fang := come(t, browser, server.url, "Ann"), come(t, browser, server.url, "Bob"), come(t, browser, server.url, "王芳")
	say := func(p *tab, words string) {
		t.Helper()
		p.enter(text, words)
		for _, p := range []*tab{ann, bob, fang} {
			p.shows(words)
		}
	}
	say(bob, "The new server is up: a million parked connections, and it hums 🎉")
	say(fang, "真快！那台机器有多大？")
	fang.choose("The new server is up: a million parked connections, and it hums 🎉", "🎉")
	say(bob, "Two cores. The figures are at https://example.com/report")
	ann.choose("Two cores. The figures are at https://example.com/report", "Reply")
	say(ann, "Lovely. I will read it on the train.")
	bob.choose("Lovely. I will read it on the train.", "👍")
	ann.choose("The new server is up: a million parked connections, and it hums 🎉", "🎉")
	ann.wait(`[...document.querySelectorAll('#log .chip')].map((n) => n.textContent).join() === '🎉 2,👍 1'`)
	ann.wait(`document.querySelector('#log .chip').getAttribute('aria-label') === '🎉 2: \u2068王芳, Ann\u2069'`)
	for _, room := range [][2]string{{"tea", "Tea room"}, {"bench", "Benchmarks"}} {
		fang.do(chromedp.Click(chromedp.CSS("#add")))
		fang.pick("New public room")
		fang.confirm(map[string]string{"room": room[0], "title": room[1]})
		fang.wait(`document.querySelector('#heading').textContent === ` + quote(room[1]))
		fang.isIn()
		fang.enter(text, "茶好了")
		eval[bool](ann, `(document.querySelector('#add').click(), true)`) // no pointer in the picture
		ann.pick("Join a room by name")
		ann.confirm(map[string]string{"room": room[0]})
		ann.shows("茶好了")
	}
	ann.chooseRoom("Lobby")
	ann.isIn()
	fang.wait(`[...document.querySelectorAll('#member-list .title')].some((n) => n.textContent === '王芳')`)
	fang.chooseRoom("Lobby")
	fang.isIn()
	fang.wait(`[...document.querySelectorAll('#member-list .title')].some((n) => n.textContent === 'Ann')`)
	eval[bool](fang, `([...document.querySelectorAll('#member-list button')].find((b) => b.textContent.includes('Ann')).click(), true)`)
	fang.pick("Message")
	fang.wait(`document.querySelector('#heading').textContent === 'Ann'`)
	fang.isIn()
	fang.enter(text, "要我给你带一份吗？")
	ann.wait(`document.querySelector('#room-list .badge')?.textContent === '1'`)
	bob.do(chromedp.SendKeys(text, "And"))
	ann.wait(`document.querySelector('#typing').textContent === 'Bob is typing …'`)
	ann.do(chromedp.EmulateViewport(1100, 680))
	ann.screenshot("chat-0-readme")
}

// testInTheBackground checks that a page in the background marks a message as delivered, and as read
// only when its user looks at the page again.
func testInTheBackground(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann, bob := come(t, browser, server.url, "Ann"), come(t, browser, server.url, "Bob")
	hide := func(hidden bool) {
		eval[bool](bob, fmt.Sprintf(`(Object.defineProperty(document, 'hidden', {value: %v, configurable: true}), document.dispatchEvent(new Event('visibilitychange')), true)`, hidden))
	}
	ann.enter(text, "hello")
	ann.wait(`document.querySelector('#log .mine .progress')?.textContent === 'Read'`)
	hide(true)
	ann.enter(text, "are you there?")
	bob.shows("are you there?")
	bob.wait(`document.querySelector('#log .unseen')?.nextElementSibling.querySelector('.body').textContent === 'are you there?'`)
	ann.wait(`[...document.querySelectorAll('#log .mine .progress')].at(-1).textContent === 'Delivered'`)
	// More than is in sight: she comes back to where it begins, and reads on.
	for i := range 30 {
		ann.enter(text, fmt.Sprint("hey ", i))
	}
	bob.shows("hey 29")
	hide(false)
	bob.wait(`document.querySelector('#newest').textContent === '31 new'`)
	bob.wait(`document.querySelector('#log .unseen').getBoundingClientRect().top >= document.querySelector('#log').getBoundingClientRect().top`)
	bob.screenshot("chat-16-new")
	bob.do(chromedp.Click(chromedp.CSS("#newest")))
	ann.wait(`[...document.querySelectorAll('#log .mine .progress')].at(-1).textContent === 'Read'`)
	bob.enter(text, "here I am")
	bob.shows("here I am")
	bob.wait(`document.querySelector('#log .unseen') === null`)
}

// testGuestOfTheSameName checks that the page marks a guest with the name of a user: at each message,
// among the people, in the list of rooms and above the direct room, for eyes and for screen readers.
func testGuestOfTheSameName(t *testing.T, browser context.Context, program string) {
	const secret = "a secret of thirty-two bytes or more"
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--token-secret", secret)
	url := "http://" + server.addrs[0] + "/"
	carol := comeAs(t, browser, url, secret, token.Claims{User: "carol", Info: []byte(`{"name":"Carol"}`)})
	other, ann := come(t, browser, url, "Carol"), come(t, browser, url, "Ann")
	carol.enter(text, "it is me")
	ann.shows("it is me")
	other.enter(text, "it is me, too")
	ann.shows("it is me, too")
	ann.wait(`[...document.querySelectorAll('#log .message')].map((n) => n.ariaLabel + ' / ' + n.querySelector('.actions').ariaLabel).join() === ` +
		quote("Carol / Actions for the message of \u2068Carol\u2069,\u2068Carol\u2069 (guest) / Actions for the message of \u2068\u2068Carol\u2069 (guest)\u2069"))
	const seen = `[...document.querySelectorAll('#log .head')].map((n) => n.textContent + (n.querySelector('.guest')?.checkVisibility() ?? '')).join()`
	if got, want := eval[string](ann, seen), "Carol,Carolguesttrue"; got != want {
		t.Errorf("the authors are %s, want %s", got, want)
	}
	ann.do(chromedp.EmulateViewport(1100, 680)) // the list of people is beside the room
	ann.wait(`document.querySelectorAll('#member-list .dot.online').length === 3`)
	names := ann.spoken("button")
	for _, want := range []string{"Ann guest online", "Carol guest online", "Carol online"} {
		if !slices.Contains(names, want) {
			t.Errorf("to a screen reader no button is %q, but %q", want, names)
		}
	}
	for _, guest := range []bool{false, true} {
		button := fmt.Sprintf(`[...document.querySelectorAll('#member-list button')].find((n) => n.querySelector('.title').textContent === 'Carol' && (n.querySelector('.guest') !== null) === %v)`, guest)
		ann.wait(button + ` !== undefined`)
		eval[bool](ann, `(`+button+`.click(), true)`)
		ann.pick("Message")
		ann.wait(fmt.Sprintf(`document.querySelector('#heading').textContent === 'Carol' && document.querySelector('#heading-guest').checkVisibility() === %v`, guest))
		ann.isIn()
		ann.enter(text, fmt.Sprint("are you a guest? ", guest))
		ann.wait(fmt.Sprintf(`document.querySelector('#room-list [aria-current] .title').textContent === 'Carol' && (document.querySelector('#room-list [aria-current] .guest') !== null) === %v`, guest))
		ann.chooseRoom("Lobby")
		ann.shows("it is me, too")
	}
	ann.wait(`document.querySelectorAll('#member-list .guest').length === 2 && document.querySelectorAll('#room-list .guest').length === 1`)
	for _, mode := range []string{"light", "dark"} {
		if mode == "dark" {
			dark(ann)
		}
		ann.screenshot("chat-18-guests-" + mode)
		ann.judge(mode + " guests")
	}
}
