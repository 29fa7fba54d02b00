package main_test

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// testKeyboardOnly signs in, sends, replies and leaves with the keyboard only.
func testKeyboardOnly(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	p := openTab(t, browser)
	p.do(chromedp.Navigate(server.url))
	p.wait(`document.activeElement.id === 'name'`)
	p.do(insert("Ann"), chromedp.KeyEvent(kb.Enter))
	p.isIn()
	p.wait(`document.activeElement.id === 'text'`)
	p.do(insert("first"), chromedp.KeyEvent(kb.Enter))
	p.shows("first")
	p.settled()
	if left := eval[string](p, `document.querySelector('#text').value`); left != "" {
		t.Errorf("%q is left in the box", left)
	}
	p.do(insert("second"), chromedp.KeyEvent(kb.Enter))
	p.shows("second")
	p.settled()
	press := func(keys ...string) {
		for _, k := range keys {
			p.do(chromedp.KeyEvent(k))
		}
	}
	// Back to the log, up to the first message, its actions, edit.
	p.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(8)))
	p.wait(`document.activeElement.id === 'log'`)
	press(kb.ArrowUp, kb.ArrowUp)
	p.wait(`document.activeElement.querySelector('.body')?.textContent === 'first'`)
	press(kb.Enter)
	p.wait(`document.activeElement.getAttribute('role') === 'menuitem'`)
	for !eval[bool](p, `document.activeElement.textContent === 'Edit'`) {
		press(kb.ArrowDown)
	}
	press(kb.Enter)
	p.wait(`document.activeElement.id === 'text' && document.querySelector('#text').value === 'first'`)
	p.do(insert(", edited"))
	press(kb.Enter)
	p.wait(bodies + `[0] === 'first, edited'`)
	// The arrow edits the user's last message, and Escape leaves it.
	press(kb.ArrowUp)
	p.wait(`document.querySelector('#text').value === 'second'`)
	press(kb.Escape)
	p.wait(`document.querySelector('#text').value === '' && document.querySelector('#context').hidden`)
	// Every element that Tab reaches shows the focus.
	stops := map[string]bool{}
	for range 30 {
		press(kb.Tab)
		stops[eval[string](p, `document.activeElement.id || document.activeElement.className || document.activeElement.localName`)] = true
		if !eval[bool](p, `document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none'`) {
			t.Errorf("the focus cannot be seen on %s", eval[string](p, `document.activeElement.outerHTML.slice(0, 200)`))
		}
	}
	for _, id := range []string{"skip", "language", "room-menu", "add", "sign-out", "log", "text", "send"} {
		if !stops[id] {
			t.Errorf("Tab never comes to %s, but to %v", id, stops)
		}
	}
}

// testAccessible checks the main states with axe-core, light and dark.
func testAccessible(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	p := openTab(t, browser)
	p.do(chromedp.Navigate(server.url))
	p.wait(`document.querySelector('#entry').checkVisibility()`)
	p.judge("entry")
	ann, bob := come(t, browser, server.url, "Ann"), come(t, browser, server.url, "Bob")
	ann.enter(text, "Hello https://example.com")
	bob.shows("Hello https://example.com")
	bob.choose("Hello https://example.com", "👍")
	bob.choose("Hello https://example.com", "Reply")
	bob.enter(text, "Hi")
	ann.shows("Hi")
	for _, mode := range []string{"light", "dark"} {
		if mode == "dark" {
			dark(ann)
			dark(bob)
		}
		ann.judge(mode + " chat")
		eval[bool](bob, `(document.querySelector('#log .actions').click(), true)`)
		bob.wait(`document.querySelector('[role=menu]') !== null`)
		bob.judge(mode + " menu")
		bob.do(chromedp.KeyEvent(kb.Escape))
		bob.do(chromedp.Click(chromedp.CSS("#add")))
		bob.pick("New private room")
		bob.wait(`document.querySelector('dialog[open]') !== null`)
		bob.judge(mode + " dialog")
		bob.do(chromedp.KeyEvent(kb.Escape))
		bob.wait(`document.querySelector('dialog') === null`)
	}
	simple := openChat(t, browser, server.url)
	simple.judge("the simple page")
	// The page tells screen readers of new messages, in each room that the user opens.
	bob.enter(text, "news")
	ann.wait(`document.querySelector('#news').lastElementChild?.textContent === 'Bob: news'`)
	for _, p := range []*tab{ann, bob} {
		p.do(chromedp.Click(chromedp.CSS("#add")))
		p.pick("Join a room by name")
		p.confirm(map[string]string{"room": "tea"})
		p.wait(`document.querySelector('#heading').textContent === 'tea'`)
		p.isIn()
	}
	ann.enter(text, "own words are not news")
	bob.enter(text, "the first here")
	ann.wait(`document.querySelector('#news').lastElementChild?.textContent === 'Bob: the first here'`)
}

func testPhoneAndChinese(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	p := openTab(t, browser)
	phone(p)
	p.do(chromedp.Navigate(server.url))
	p.wait(`document.querySelector('#entry').checkVisibility()`)
	eval[bool](p, `(document.querySelector('#language').value = 'zh', document.querySelector('#language').dispatchEvent(new Event('change')), true)`)
	p.wait(`document.documentElement.lang === 'zh-CN' && document.querySelector('#entry h2').textContent === '进入聊天'`)
	if eval[bool](p, `document.querySelector('#show-rooms').checkVisibility() || document.querySelector('#show-members').checkVisibility()`) {
		t.Error("who is not in yet is shown the way to rooms and people")
	}
	p.screenshot("chat-11-phone-entry")
	p.do(chromedp.Focus(chromedp.CSS("#name")), insert("小明"), chromedp.KeyEvent(kb.Enter))
	p.wait(`document.body.dataset.state === 'connected' && !document.querySelector('#room').hidden && document.querySelector('#log .note')?.textContent === '这里还没有人说话。'`)
	p.enter(text, "大家好！👋")
	p.shows("大家好！👋")
	p.settled()
	p.wait(`document.querySelector('#state').textContent === '已连接'`)
	if eval[bool](p, `document.documentElement.scrollWidth > innerWidth`) {
		t.Error("the page is wider than the phone")
	}
	for _, id := range []string{"show-rooms", "show-members", "room-menu", "send"} {
		if size := eval[[]float64](p, `(() => { const r = document.getElementById('`+id+`').getBoundingClientRect(); return [r.width, r.height]; })()`); size[0] < 44 || size[1] < 44 {
			t.Errorf("%s is %v pixels large: too small for a finger", id, size)
		}
	}
	p.screenshot("chat-12-phone")
	eval[bool](p, `(document.querySelector('#show-rooms').click(), true)`)
	p.wait(`document.querySelector('nav').checkVisibility() && document.activeElement.closest('nav') !== null && document.querySelector('main').inert`)
	p.screenshot("chat-13-phone-rooms")
	p.do(chromedp.KeyEvent(kb.Escape))
	p.wait(`!document.querySelector('nav').checkVisibility() && document.activeElement.id === 'show-rooms' && !document.querySelector('main').inert`)
	for _, width := range []int64{320, 768, 1024, 1600} {
		p.do(chromedp.EmulateViewport(width, 800))
		if eval[bool](p, `document.documentElement.scrollWidth > innerWidth || !document.querySelector('#text').checkVisibility()`) {
			t.Errorf("at %d pixels the page is too wide, or has no box to write in", width)
		}
		if width == 768 {
			p.screenshot("chat-14-tablet")
		}
	}
	p.do(chromedp.EmulateViewport(320, 256)) // a window of 1280 by 1024, magnified four times
	if box := eval[[]float64](p, `(() => { const r = document.getElementById('text').getBoundingClientRect(); return [r.top, r.bottom, document.getElementById('log').clientHeight]; })()`); box[0] < 0 || box[1] > 256 || box[2] < 60 {
		t.Errorf("magnified, the box is from %v to %v pixels, the log %v high", box[0], box[1], box[2])
	}
	p.screenshot("chat-17-magnified")
}
