package main_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"webim/room/token"
)

const pageSecret = "a secret of thirty-two bytes or more"

// testWhomANameMeans checks how the page finds a user by name. An id means exactly one user, and not a
// guest with that id as a name. If two users have a name, the page asks. If the page has never seen
// an id, it asks for a confirmation.
func testWhomANameMeans(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--token-secret", pageSecret)
	url := "http://" + server.addrs[0] + "/"
	named := func(user, name string) *tab {
		return comeAs(t, browser, url, pageSecret, token.Claims{User: user, Info: []byte(`{"name":` + quote(name) + `}`)})
	}
	anna := named("anna", "Anna")
	named("bob", "Bob Smith")
	named("bob2", "Bob Smith")
	named("dora", "Dora")
	come(t, browser, url, "bob")
	come(t, browser, url, "Dora")
	anna.wait(`document.querySelectorAll('#member-list li').length === 6`)
	anna.wait(`document.querySelector('#me').textContent === 'You are Anna'`)

	direct := func(typed string) {
		anna.do(chromedp.Click(chromedp.CSS("#add")))
		anna.pick("Direct message")
		anna.wait(`document.querySelector('dialog [name=user]') !== null`)
		eval[bool](anna, `(document.querySelector('dialog [name=user]').value = `+quote(typed)+`, document.querySelector('dialog [value=ok]').click(), true)`)
	}
	direct("bob") // the id
	anna.wait(`new URLSearchParams(location.search).get('room') === '#anna,bob' && document.querySelector('#heading').textContent === 'Bob Smith'`)

	direct("Bob Smith")
	anna.wait(`[...document.querySelectorAll('dialog .whom input')].map((n) => n.value).sort().join() === 'bob,bob2' && !document.querySelector('dialog .whom input:checked')`)
	eval[bool](anna, `(document.querySelector('dialog .whom input[value=bob2]').checked = true, document.querySelector('dialog [value=ok]').click(), true)`)
	anna.wait(`new URLSearchParams(location.search).get('room') === '#anna,bob2'`)

	direct("Dora") // the user with a token, not the guest
	anna.wait(`[...document.querySelectorAll('dialog .whom input')].map((n) => n.value).join() === 'dora' && document.querySelector('dialog .whom small').textContent.includes('online')`)
	eval[bool](anna, `(document.querySelector('dialog .whom').closest('form').querySelector('[value=ok]').click(), true)`)
	anna.wait(`new URLSearchParams(location.search).get('room') === '#anna,dora'`)

	direct("nobody")
	anna.wait(`document.querySelector('dialog .whom p')?.textContent === 'Nobody with the id nobody has been seen here. Use this id all the same?'`)
	eval[bool](anna, `(document.querySelector('dialog .whom').closest('form').querySelector('button[type=button]').click(), true)`)
	anna.wait(`document.querySelector('dialog') === null`)
	if room := eval[string](anna, `new URLSearchParams(location.search).get('room')`); room != "#anna,dora" {
		t.Errorf("taken back, and yet the room is %q", room)
	}

	anna.do(chromedp.Reload()) // names come with the list
	anna.isIn()
	anna.wait(`[...document.querySelectorAll('#room-list .title')].filter((n) => n.textContent === 'Bob Smith').length === 2 && [...document.querySelectorAll('#room-list .title')].some((n) => n.textContent === 'Dora')`)
}

// testNamesAreIsolated checks that direction controls in a name do not change the sentence around it.
func testNamesAreIsolated(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--token-secret", pageSecret)
	url := "http://" + server.addrs[0] + "/"
	ann := come(t, browser, url, "Ann")
	for i, name := range []string{"evil\u202ename", "out\u2069\u202eside", "\u2067שלום"} {
		eve := comeAs(t, browser, url, pageSecret, token.Claims{User: "eve" + string(rune('0'+i)), Info: []byte(`{"name":` + quote(name) + `}`)})
		eve.do(chromedp.SendKeys(text, "x"))
		ann.wait(`document.querySelector('#typing bdi') !== null && document.querySelector('#typing').textContent.endsWith(' is typing …')`)
		if shown := eval[string](ann, `document.body.textContent + [...document.querySelectorAll('[aria-label], [title]')].map((n) => n.getAttribute('aria-label') + n.title).join('') + document.title`); strings.ContainsAny(shown, "\u202e\u2066\u2067") {
			t.Errorf("a control of direction of %q is shown", name)
		}
		eve.enter(text, "said")
		ann.shows("xsaid")
		ann.wait(`document.querySelector('#typing').textContent === ''`)
	}
}

// testVisitAsks checks that an address shows a room, and that the page joins it only if its user wants that.
func testVisitAsks(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := come(t, browser, server.url+"?room=casino", "Ann")
	ann.wait(`document.querySelector('#banner').textContent === 'You are looking at this room. It is not in your list.'`)
	eval[bool](ann, `import('./chat.js').then(async ({ Chat }) => {
		const chat = new Chat({ guest: 'Bob' });
		await chat.connect();
		await chat.create('The casino', { room: 'casino' });
		chat.disconnect();
		return true;
	})`)
	ann.do(chromedp.Reload()) // a room has its title for visitors, too
	ann.isIn()
	ann.wait(`document.querySelector('#heading').textContent === 'The casino' && document.querySelector('#room-list [aria-current] .title').textContent === 'The casino'`)
	listed := func() bool {
		return eval[bool](ann, `import('./chat.js').then(async ({ Chat }) => {
			const chat = new Chat({ token: JSON.parse(localStorage.getItem('webim.identity')).token });
			await chat.connect();
			const all = await chat.list();
			chat.disconnect();
			return all.some((r) => r.room === 'casino');
		})`)
	}
	if listed() {
		t.Error("an address put a room in the list")
	}
	ann.do(chromedp.Click(chromedp.CSS("#join")))
	ann.wait(`document.querySelector('#join').hidden && document.querySelector('#banner').textContent === ''`)
	if !listed() {
		t.Error("Join did not put the room in the list")
	}
	ann.do(chromedp.Reload())
	ann.isIn()
	ann.wait(`document.querySelector('#join').hidden`)

	// A room has one spelling, however its name is typed or linked.
	for _, spelling := range []string{"cafe%CC%81", "caf%C3%A9"} {
		ann.do(chromedp.Navigate(server.url + "?room=" + spelling))
		ann.isIn()
		ann.enter(text, "in "+spelling)
		ann.shows("in " + spelling)
	}
	ann.wait(bodies + `.join() === 'in cafe%CC%81,in caf%C3%A9'`)
}

// testRoomInAnySpelling checks that users who open a room by different spellings of its name are in the
// same room.
func testRoomInAnySpelling(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := come(t, browser, server.url+"?room=caf%C3%A9+%E2%9D%A4", "Ann")
	bob := come(t, browser, server.url+"?room=cafe%CC%81+%E2%9D%A4%EF%B8%8F", "Bob")
	ann.enter(text, "hello")
	bob.shows("hello")
	bob.enter(text, "hello, too")
	ann.shows("hello, too")
}
