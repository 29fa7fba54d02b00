package main_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"webim/netpoll/wstest"

	"github.com/chromedp/chromedp"
)

// startStored starts webim for pages, with a store.
func startStored(t *testing.T, program, listen, dir string) *running {
	t.Helper()
	return launch(t, program, nil, "--dev", "--listen", listen, "--data", dir, "--token-secret", pageSecret, "--api", "--api-key", storeKey, "--history-bytes", "64MiB")
}

// testChatOutlivesRestart kills a webim with a store while two people talk. When it is back, the pages reconnect by
// themselves and have missed nothing; a page that is loaded anew shows the messages, names and read marks of before.
func testChatOutlivesRestart(t *testing.T, browser context.Context, program string) {
	dir := t.TempDir()
	server := startStored(t, program, wstest.FreeAddr(t).String(), dir)
	url := "http://" + server.addrs[0] + "/"
	ann, bob := come(t, browser, url, "Ann"), come(t, browser, url, "Bob")
	ann.enter(text, "before")
	bob.shows("before")
	isRead := `document.querySelector('#log .mine .progress.read') !== null`
	ann.wait(isRead)
	for _, p := range []*tab{ann, bob} {
		p.expect(unreached, server.host)
	}
	server.kill()
	for _, p := range []*tab{ann, bob} {
		p.wait(`document.body.dataset.state === 'waiting'`)
	}
	ann.enter(text, "meanwhile")
	startStored(t, program, server.host, dir)
	for _, p := range []*tab{ann, bob} {
		eval[bool](p, `(document.querySelector('#retry').click(), true)`)
		p.isIn()
		p.expectUp()
		p.wait(bodies + `.join() === 'before,meanwhile'`)
		if eval[bool](p, `document.querySelector('.toast') !== null`) {
			t.Error("a loss is told, and there was none")
		}
	}
	ann.settled()
	bob.enter(text, "after")
	ann.shows("after")
	ann.do(chromedp.Reload())
	ann.isIn()
	ann.wait(bodies + `.join() === 'before,meanwhile,after' && ` + isRead)
	ann.wait(`[...document.querySelectorAll('#log .message')].at(-1).textContent.includes('Bob')`)
}

// testSparseHistory scrolls back to a message before thousands of events. The page that the server reads at a time ends
// among them, without a message.
func testSparseHistory(t *testing.T, browser context.Context, program string) {
	server := startStored(t, program, "127.0.0.1:0", t.TempDir())
	server.call("publish", `{"channel":"lobby","data":{"text":"long ago"}}`)
	const count = 8_000
	for range count / 1000 {
		one := `{"publish":{"channel":"lobby","data":{},"tags":{"event":"edit","of":"1"}}}`
		server.call("batch", fmt.Sprintf(`{"commands":[%s]}`, strings.Repeat(one+",", 999)+one))
	}
	if got := server.call("history", `{"channel":"lobby","limit":1,"reverse":true}`); !strings.Contains(got, fmt.Sprint(`"offset":`, count+1)) {
		t.Fatalf("the events are not in the log: %s", got)
	}
	p := come(t, browser, "http://"+server.addrs[0]+"/", "Ann")
	p.wait(bodies + `.join() === 'long ago'`)
	p.enter(text, "today")
	p.wait(bodies + `.join() === 'long ago,today'`)
}
