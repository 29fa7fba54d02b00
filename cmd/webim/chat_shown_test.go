package main_test

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp"

	"webim/room/token"
)

// testBatchIsAnnounced: of several messages that come at once, a screen reader is told
// of each.
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

// testNamesAreCutLast: at 1200 pixels the mark of a guest or an owner leaves place for
// a short name.
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
}
