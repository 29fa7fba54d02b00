package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"webim/netpoll/wstest"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

func testChatServerIsKilled(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, wstest.FreeAddr(t).String())
	ann, bob := come(t, browser, server.url, "Ann"), come(t, browser, server.url, "Bob")
	ann.enter(text, "before")
	bob.shows("before")
	for _, p := range []*tab{ann, bob} {
		p.expect(unreached, server.host)
	}
	server.kill()
	for _, p := range []*tab{ann, bob} {
		p.wait(`document.body.dataset.state === 'waiting' && /^Reconnecting/.test(document.querySelector('#state').textContent)`)
	}
	for i := range 3 {
		ann.enter(text, fmt.Sprint("meanwhile ", i))
	}
	ann.wait(`document.querySelectorAll('#log .message.sending').length === 3`)
	ann.screenshot("chat-7-reconnecting")
	// Bob loses the connection once more, when the page asks the new server for messages.
	eval[bool](bob, `(() => {
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function (data) {
			if (this === window.lost) return; // the browser would complain of what is sent on a socket that closes
			if (window.lost || !data.includes('"method":"messages"')) return send.call(this, data);
			window.lost = this;
			this.close();
		};
		return true;
	})()`)
	startWebim(t, program, server.host)
	for _, p := range []*tab{ann, bob} {
		eval[bool](p, `(document.querySelector('#retry').click(), true)`)
		p.wait(`document.body.dataset.state === 'connected'`)
		p.expectUp()
	}
	// The server has lost all messages. The page says so, and shows each message of the outage
	// once, in order.
	for _, p := range []*tab{ann, bob} {
		p.wait(bodies + `.join() === 'meanwhile 0,meanwhile 1,meanwhile 2'`)
	}
	ann.settled()
	if !eval[bool](bob, `window.lost instanceof WebSocket`) {
		t.Error("Bob has not asked for messages")
	}
	bob.wait(`[...document.querySelectorAll('.toast')].some((n) => n.textContent.startsWith('Some messages could not be recovered'))`)
}

// testLoadsAreRepeated checks that the page loads what it shows again after temporary errors, without another cause.
func testLoadsAreRepeated(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := come(t, browser, server.url, "Ann")
	ann.enter(text, "hello")
	ann.settled()
	bob := openTab(t, browser)
	bob.beforePage(failing("messages", "marks", "members", "rooms", "room.info"))
	bob.do(chromedp.Navigate(server.url))
	bob.wait(`document.querySelector('#name').checkVisibility()`)
	bob.enter(chromedp.CSS("#name"), "Bob")
	bob.wait(`new Set(window.failed).size === 5 && document.querySelector('#log .note').textContent !== 'Loading …'`)
	eval[bool](bob, `window.passes = true`)
	bob.isIn()
	bob.shows("hello")
	bob.wait(`document.querySelectorAll('#member-list li').length === 2 && document.querySelector('#room-list .last') !== null`)
}

// failing is a script by which the calls of methods get a temporary error in place of the server's answer, until window.passes is true.
// window.failed has their methods.
func failing(methods ...string) string {
	list, _ := json.Marshal(methods)
	return `{
		window.failed = [];
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function (frame) {
			const others = frame.split('\n').filter((line) => {
				const { id, rpc } = JSON.parse(line);
				if (window.passes || !` + string(list) + `.includes(rpc?.method)) return true;
				failed.push(rpc.method);
				setTimeout(() => this.onmessage({ data: JSON.stringify({ id, error: { code: 100, message: 'not now', temporary: true } }) }));
			});
			if (others.length) send.call(this, others.join('\n'));
		};
	}`
}

// testJoinIsLost checks that the page offers to join a room whose join had a temporary error, also after the second one.
func testJoinIsLost(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := openTab(t, browser)
	ann.beforePage(failing("room.join"))
	ann.do(chromedp.Navigate(server.url))
	ann.wait(`document.querySelector('#name').checkVisibility()`)
	ann.enter(chromedp.CSS("#name"), "Ann")
	for i := range 2 {
		ann.wait(fmt.Sprintf(`window.failed.length === %d && document.querySelector('#join').checkVisibility()`, i+1))
		eval[bool](ann, fmt.Sprintf(`window.passes = %v`, i == 1))
		ann.do(chromedp.Click(chromedp.CSS("#join")))
	}
	ann.wait(`document.querySelector('#join').hidden && document.querySelector('#banner').textContent === ''`)
}

func testOfflineAndOnline(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	road := newRelay(t, server.host)
	ann, bob := come(t, browser, "http://"+road.addr+"/", "Ann"), come(t, browser, server.url, "Bob")
	ann.enter(text, "one")
	bob.shows("one")
	// The browser's emulation of an outage does not affect WebSockets, so the relay cuts them.
	offline := func(p *tab, off bool) {
		p.t.Helper()
		p.expect(unreached, road.addr)
		if off {
			road.cut()
		} else {
			road.mend("")
		}
		p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1})
			return err
		}))
		if !off {
			p.isIn()
			p.expectUp()
		}
	}
	offline(ann, true)
	ann.wait(`document.querySelector('#state').textContent.startsWith('Offline')`)
	bob.enter(text, "two")
	ann.enter(text, "written offline")
	ann.wait(`document.querySelectorAll('#log .message.sending').length === 1`)
	offline(ann, false)
	// After the recovery, no message is missing, doubled or out of order, and the page shows no gap.
	for _, p := range []*tab{ann, bob} {
		p.wait(bodies + `.join() === 'one,two,written offline'`)
	}
	if eval[bool](ann, `document.querySelector('.toast') !== null`) {
		t.Error("a gap is told, and there was none")
	}

	// The page sends messages of an outage from another room, and after a reload, too.
	ann.do(chromedp.Click(chromedp.CSS("#add")))
	ann.pick("New public room")
	ann.confirm(map[string]string{"room": "tea", "title": "Tea"})
	ann.wait(`document.querySelector('#heading').textContent === 'Tea'`)
	ann.isIn()
	offline(ann, true)
	ann.wait(`document.querySelector('#state').textContent.startsWith('Offline')`)
	ann.enter(text, "in the tea room")
	ann.wait(`document.querySelectorAll('#log .message.sending').length === 1`)
	ann.chooseRoom("Lobby")
	ann.wait(`document.querySelector('#heading').textContent === 'Lobby' && !document.querySelector('#log .sending')`)
	offline(ann, false)
	bob.do(chromedp.Click(chromedp.CSS("#add")))
	bob.pick("Join a room by name")
	bob.confirm(map[string]string{"room": "tea"})
	bob.shows("in the tea room")
}

// testUnsentOutlivesThePage reloads the page, or discards its tab, before all messages are sent.
func testUnsentOutlivesThePage(t *testing.T, browser context.Context, program string) {
	dev := func(listen string) *running {
		return launch(t, program, nil, "--dev", "--listen", listen, "--token-secret", "a secret of thirty-two bytes or more")
	}
	server := dev(wstest.FreeAddr(t).String())
	url := "http://" + server.addrs[0] + "/"
	ann := come(t, browser, url, "Ann")
	ann.expect(unreached, server.host)
	server.kill()
	ann.wait(`document.body.dataset.state === 'waiting'`)
	ann.enter(text, "one")
	ann.enter(text, "two")
	ann.wait(`document.querySelectorAll('#log .message.sending').length === 2`)
	dev(server.addrs[0])
	ann.do(chromedp.Reload())
	ann.isIn()
	ann.expectUp()
	bob := come(t, browser, url, "Bob")
	for _, p := range []*tab{ann, bob} {
		p.wait(bodies + `.join() === 'one,two'`)
	}
	ann.settled()
	ann.wait(`sessionStorage.getItem('webim.outbox') === null && document.querySelectorAll('#log .mine').length === 2`)
}

// testGuestOfAnotherTime checks that a guest with a token that is no longer valid connects again under
// the same name, without a question.
func testGuestOfAnotherTime(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, wstest.FreeAddr(t).String())
	ann := come(t, browser, server.url, "Ann")
	ann.do(chromedp.Navigate("about:blank"))
	ann.expect(unreached, server.host) // the page that was left may try once more
	server.kill()
	ann.do(chromedp.Navigate(startWebim(t, program, server.host).url))
	ann.isIn()
	ann.expectUp()
	ann.wait(`document.querySelector('#me').textContent === 'You are Ann'`)
	ann.enter(text, "here again")
	ann.shows("here again")
	ann.settled()
}
