package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// testSDKWithoutToken connects an SDK without getToken. The backend admits it for a moment at a time. The
// client stays connected and in its room while the backend extends that, and reconnects after it ends.
func testSDKWithoutToken(t *testing.T, browser context.Context, program string) {
	var refreshed, subscribed atomic.Int32
	var over atomic.Bool
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		soon := time.Now().Unix() + 2 // +1 could be over at once
		switch r.URL.Path {
		case "/connect":
			fmt.Fprintf(w, `{"result":{"user":"42","expire_at":%d}}`, soon)
		case "/subscribe":
			subscribed.Add(1)
			fmt.Fprintf(w, `{"result":{"expire_at":%d}}`, soon)
		case "/refresh":
			refreshed.Add(1)
			if over.Load() {
				_, _ = io.WriteString(w, `{"result":{"expired":true}}`)
				return
			}
			fmt.Fprintf(w, `{"result":{"expire_at":%d}}`, soon)
		}
	}))
	t.Cleanup(backend.Close)
	server := startWebim(t, program, "127.0.0.1:0", "--hook-connect", backend.URL+"/connect",
		"--hook-refresh", backend.URL+"/refresh", "--hook-subscribe", backend.URL+"/subscribe")
	pages := sdkPages(t)
	for _, protocol := range []string{"json", "protobuf"} {
		over.Store(false)
		p := openSDK(t, browser, pages, protocol, server.host)
		eval[bool](p, `(room('r'), true)`)
		p.wait(`count('r: subscribed false false') === 1`)
		p.wait(`events().filter((text) => text.startsWith('r: subscribed')).length >= 3`) // asked anew, twice
		before := refreshed.Load()
		p.wait(`events().filter((text) => text.startsWith('r: subscribed')).length >= 5`)
		if n := refreshed.Load(); n == before || n < 2 {
			t.Errorf("%s: the backend was asked %d times whether the connection is good", protocol, n)
		}
		if got := eval[string](p, `events().filter((text) => !text.startsWith('r: subscribed')).join()`); got != "connecting 0,connected" && got != "connected" {
			t.Errorf("%s: while the backend says that all is well, the page is told %s", protocol, got)
		}
		over.Store(true)
		p.wait(`told('connecting 3005')`)
		p.wait(`count('connected') >= 2`)
		if eval[bool](p, `events().some((text) => text.startsWith('disconnected') || text.startsWith('r: unsubscribed') || text.startsWith('r: error'))`) {
			t.Errorf("%s: it ended for good: %s", protocol, eval[string](p, `events().join()`))
		}
		p.do(chromedp.Navigate("about:blank"))
	}
	if subscribed.Load() < 6 {
		t.Errorf("the backend was asked %d times about the room", subscribed.Load())
	}
}
