package main_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"webim/room/token"
)

// testBatchIsAnnounced checks that the page announces each of several messages that arrive together.
func testBatchIsAnnounced(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--api", "--api-key", "a key of the tests")
	ann := come(t, browser, "http://"+server.addrs[0]+"/", "Ann")
	// Three publications in one frame of the socket.
	ann.enter(text, "mine")
	ann.shows("mine")
	for _, said := range []string{"one", "two", "three"} {
		callAPI(t, server, "publish", `{"channel":"lobby","data":{"text":`+quote(said)+`}}`)
	}
	ann.wait(`[...document.querySelectorAll('#news p')].map((n) => n.textContent).join() === 'anonymous: one,anonymous: two,anonymous: three'`)
}

// testNamesAreCutLast checks that at 1200 pixels a short name fits beside the mark of a guest or owner.
func testNamesAreCutLast(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--token-secret", pageSecret)
	url := "http://" + server.addrs[0] + "/"
	for _, p := range []*tab{
		come(t, browser, url, "Gus"),
		comeAs(t, browser, url, pageSecret, token.Claims{User: "gia", Info: []byte(`{"name":"Gia"}`)}),
	} {
		for _, width := range []int64{1200, 1100, 360} {
			p.do(chromedp.EmulateViewport(width, 800))
			if width == 1200 {
				p.do(chromedp.Click(chromedp.CSS("#add")))
				p.pick("New private room")
				p.confirm(map[string]string{"title": "T"})
				p.wait(`document.querySelector('#member-list .role')?.textContent === 'owner'`)
			}
			if width == 360 {
				eval[bool](p, `(document.querySelector('#show-members').click(), true)`)
			}
			p.wait(`(() => { const n = document.querySelector('#member-list .title'); return n.checkVisibility() && n.scrollWidth <= n.clientWidth; })()`)
		}
	}
	// Beside long names and titles, the mark of a guest and the state stay whole.
	long := come(t, browser, url, strings.Repeat("عبد الرحمن ", 3))
	for _, width := range []int64{1200, 360} {
		long.do(chromedp.EmulateViewport(width, 800))
		if width == 1200 {
			long.do(chromedp.Click(chromedp.CSS("#add")))
			long.pick("New private room")
			// A title that is too long is said before the dialog closes.
			long.wait(`document.querySelector('dialog [name=title]') !== null`)
			long.do(chromedp.Focus(chromedp.CSS("dialog [name=title]")), insert(strings.Repeat("房", 67)), chromedp.KeyEvent(kb.Enter))
			if valid := eval[bool](long, `document.querySelector('dialog [name=title]').checkValidity()`); valid {
				t.Error("a title of 201 bytes is valid")
			}
			eval[bool](long, `(() => { const title = document.querySelector('dialog [name=title]'); title.value = 'W'.repeat(100); title.dispatchEvent(new Event('input')); return true; })()`)
			long.confirm(nil)
			long.wait(`document.querySelector('#heading').textContent.startsWith('WWW') && document.querySelector('#member-list .guest') !== null`)
			long.wait(`(() => { const s = document.querySelector('#state'); return s.clientHeight < 30 && s.scrollWidth <= s.clientWidth + 1; })()`)
		} else {
			eval[bool](long, `(document.querySelector('#show-members').click(), true)`)
		}
		long.wait(`(() => { const n = document.querySelector('#member-list .guest'); return n.checkVisibility() && n.scrollWidth <= n.clientWidth + 1; })()`)
	}
}
