package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"webim/room/token"
)

// testKicked checks that a kicked user sees the reason, and can send the failed message again by
// hand, so that it appears once.
func testKicked(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--api", "--api-key", "a key of the tests")
	url := "http://" + server.addrs[0] + "/"
	ann, bob := come(t, browser, url, "Ann"), come(t, browser, url, "Bob")
	ann.enter(text, "one")
	bob.shows("one")
	id := eval[string](ann, `JSON.parse(atob(JSON.parse(localStorage.getItem('webim.identity')).token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).sub`)
	ann.expect(closing, server.host)
	// From here the page asks for its rights in vain: a lost answer must not look as if she were out of the room.
	eval[bool](ann, `(() => {
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function (data) {
			const kept = data.split('\n').filter((command) => !command.includes('room.info')).join('\n');
			if (kept) send.call(this, kept);
		};
		return true;
	})()`)
	// After a code with which the page connects again by itself, it says once why, and what to do.
	callAPI(t, server, "disconnect", `{"user":`+quote(id)+`,"disconnect":{"code":3008,"reason":"slow"}}`)
	ann.wait(`[...document.querySelectorAll('.toast')].filter((n) => /^Your device received messages too slowly, .* close other downloads\.$/.test(n.textContent)).length === 1`)
	ann.isIn()
	callAPI(t, server, "disconnect", `{"user":`+quote(id)+`,"disconnect":{"code":3503,"reason":"force disconnect"}}`)
	ann.wait(`document.body.dataset.state === 'ended' && document.querySelector('#state').textContent === 'Disconnected: a moderator has ended your connection. You may connect again.'`)
	ann.enter(text, "two")
	ann.wait(`document.querySelector('#log .message.failed .fault span')?.textContent.startsWith('Not sent: Disconnected: a moderator')`)
	ann.expectUp()
	if h := eval[float64](ann, `document.querySelector('#top').clientHeight`); h > 70 {
		t.Errorf("what is said of the connection makes the line above %v pixels high", h)
	}
	ann.screenshot("chat-15-kicked")
	ann.judge("kicked")
	ann.do(chromedp.Click(chromedp.CSS("#retry")))
	ann.isIn()
	ann.do(chromedp.Reload()) // it is not said behind her back
	ann.isIn()
	ann.wait(`document.querySelector('#log .message.failed .fault span')?.textContent.startsWith('Not sent: Disconnected: a moderator')`)
	eval[bool](ann, `([...document.querySelectorAll('#log .failed button')].find((b) => b.textContent === 'Try again').click(), true)`)
	for _, p := range []*tab{ann, bob} {
		p.wait(bodies + `.join() === 'one,two'`)
	}
	ann.settled()
}

// testModerator checks that a user with a moderator's token mutes and bans a guest.
func testModerator(t *testing.T, browser context.Context, program string) {
	const secret = "a secret of thirty-two bytes or more"
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--token-secret", secret)
	carol := comeAs(t, browser, "http://"+server.addrs[0]+"/", secret, token.Claims{User: "carol", Roles: []string{"admin"}, Info: []byte(`{"name":"Carol"}`)})
	carol.wait(`document.querySelector('#me').textContent === 'You are Carol'`)
	bob := come(t, browser, "http://"+server.addrs[0]+"/", "Bob")
	bob.enter(text, "rude words")
	carol.shows("rude words")
	carol.choose("rude words", "Delete")
	carol.confirm(nil)
	bob.shows("This message was deleted.")
	bob.enter(text, "more of them")
	carol.shows("more of them")
	carol.choose("more of them", "Mute here")
	carol.confirm(map[string]string{"minutes": "60", "reason": "rude"})
	bob.wait(`document.querySelector('#banner').textContent.match(/^You are muted here until .* \(rude\)$/) && document.querySelector('#text').disabled`)
	carol.do(chromedp.Click(chromedp.CSS("#room-menu")))
	carol.pick("Lock the room")
	carol.wait(`document.querySelector('#banner').textContent === 'This room is locked.' && !document.querySelector('#text').disabled`)
	carol.do(chromedp.Click(chromedp.CSS("#room-menu")))
	carol.pick("Bans and mutes")
	carol.wait(`document.querySelector('dialog .sanctions')?.textContent.includes('rude')`)
	carol.screenshot("chat-9-moderator")
	carol.do(chromedp.KeyEvent(kb.Escape))
	carol.wait(`document.querySelector('dialog') === null`)
	carol.choose("more of them", "Ban from the room")
	carol.confirm(map[string]string{"minutes": "60", "reason": "still: rude"})
	bob.wait(`document.querySelector('#banner').textContent.match(/^You are not in this room any more: you are banned here until .* \(still: rude\)$/)`)
	bob.screenshot("chat-10-banned")
	carol.do(chromedp.Click(chromedp.CSS("#room-menu")))
	carol.pick("Bans and mutes")
	for range 2 {
		carol.wait(`document.querySelector('dialog .sanctions li button') !== null`)
		n := eval[int](carol, `(document.querySelector('dialog .sanctions li button').click(), document.querySelectorAll('dialog .sanctions li').length)`)
		carol.wait(fmt.Sprintf(`document.querySelectorAll('dialog .sanctions li').length === %d`, n-1))
	}
	carol.confirm(nil)
	carol.do(chromedp.Click(chromedp.CSS("#room-menu")))
	carol.pick("Unlock the room")
	carol.wait(`document.querySelector('#banner').textContent === ''`)
	bob.do(chromedp.Click(chromedp.CSS("#again")))
	bob.wait(`document.querySelector('#banner').textContent === '' && !document.querySelector('#text').disabled`)
	bob.enter(text, "sorry")
	carol.shows("sorry")
	carol.choose("sorry", "Send out of the room")
	carol.confirm(nil)
	bob.wait(`document.querySelector('#banner').textContent === 'You are not in this room any more: you were sent out.'`)
}

// callAPI calls the server API as a backend does.
func callAPI(t *testing.T, server *running, method, body string) {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodPost, "http://"+server.addrs[0]+"/api/"+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", "a key of the tests")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 || strings.Contains(string(answer), `"error"`) {
		t.Fatal(res.Status, string(answer), err)
	}
}
