package main_test

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp"
)

func testRoomsOfOnesOwn(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann, bob := come(t, browser, server.url, "Ann"), come(t, browser, server.url, "Bob")
	titles := `[...document.querySelectorAll('#room-list .title')].map((n) => n.textContent)`
	ann.do(chromedp.Click(chromedp.CSS("#add")))
	ann.pick("New public room")
	ann.confirm(map[string]string{"room": "tea", "title": "Tea & talk"})
	ann.wait(titles + `.join() === 'Lobby,Tea & talk'`)
	ann.wait(`document.querySelector('#heading').textContent === 'Tea & talk'`)
	ann.enter(text, "in the tea room")
	bob.do(chromedp.Click(chromedp.CSS("#add")))
	bob.pick("Join a room by name")
	bob.confirm(map[string]string{"room": "tea"})
	bob.shows("in the tea room")

	// Bob writes to Ann alone, while she looks at another room.
	bob.wait(`[...document.querySelectorAll('#member-list .title')].some((n) => n.textContent === 'Ann')`)
	eval[bool](bob, `([...document.querySelectorAll('#member-list button')].find((b) => b.textContent.includes('Ann')).click(), true)`)
	bob.pick("Message")
	bob.wait(`document.querySelector('#heading').textContent === 'Ann'`)
	bob.isIn()
	bob.enter(text, "only for you")
	bob.wait(`document.querySelector('#log .mine .progress')?.textContent === 'Delivered'`) // though she looks elsewhere
	ann.wait(titles + `.includes('Bob')`)
	ann.do(chromedp.SendKeys(text, "half a word for tea"))
	ann.wait(`document.querySelector('#room-list .badge')?.textContent === '1' && document.title.startsWith('(1) ')`)
	ann.chooseRoom("Bob")
	ann.shows("only for you")
	bob.wait(`document.querySelector('#log .mine .progress')?.textContent === 'Read'`)
	if left := eval[string](ann, `document.querySelector('#text').value`); left != "" {
		t.Errorf("what Ann writes in the tea room would be said to Bob: %q", left)
	}
	ann.wait(`document.querySelector('#room-list .badge') === null`)
	ann.wait(`[...document.querySelectorAll('#member-list .title')].map((n) => n.textContent).join() === 'Ann,Bob'`)
	ann.screenshot("chat-5-rooms")

	ann.chooseRoom("Tea & talk")
	ann.wait(`document.querySelector('#text').value === 'half a word for tea'`)

	// A private room, by invitation of an id that the server knows here.
	ann.do(chromedp.Click(chromedp.CSS("#add")))
	ann.pick("New private room")
	ann.confirm(map[string]string{"title": "The two of us", "users": bob.user()})
	ann.wait(`document.querySelector('#heading').textContent === 'The two of us'`)
	bob.wait(`document.querySelector('.toast')?.textContent === 'Ann (guest) has invited you to The two of us.'`)
	bob.wait(titles + `.includes('The two of us')`)
	bob.chooseRoom("The two of us")
	bob.isIn()
	bob.enter(text, "thanks")
	ann.shows("thanks")
	bob.do(chromedp.Click(chromedp.CSS("#room-menu")))
	bob.pick("Leave this room")
	bob.confirm(nil)
	bob.wait(`!` + titles + `.includes('The two of us')`)
}

// testBothPagesInOneRoom checks that the chat page shows messages of the simple page, and the simple
// page those of the chat page, but no marks and no reactions.
func testBothPagesInOneRoom(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	chat, simple := come(t, browser, server.url, "Ann"), openChat(t, browser, server.url)
	simple.enter(box, "from the simple page")
	chat.shows("from the simple page")
	chat.choose("from the simple page", "👍")
	chat.wait(`document.querySelector('#log .chip') !== null`)
	chat.enter(text, "from the chat page")
	simple.wait(top("from the chat page"))
	if n := eval[int](simple, `document.querySelector('#log').childElementCount`); n != 2 {
		t.Errorf("the simple page shows %d messages", n)
	}

	// chat.js needs nothing of the page: here it is in another one.
	said := eval[string](simple, `import('/chat.js').then(async ({ Chat, nameOf }) => {
		const chat = new Chat({ guest: 'Other' });
		await chat.connect();
		const room = chat.open('lobby');
		room.send('from another page');
		await new Promise((done) => room.addEventListener('change', () => room.messages.at(-1)?.data.text === 'from another page' && !room.outbox.length && done()));
		const said = room.messages.map((m) => nameOf(m.info) + ': ' + m.data.text).join();
		room.close();
		chat.disconnect();
		return said;
	})`)
	if want := ": from the simple page,Ann: from the chat page,Other: from another page"; said != want {
		t.Errorf("with chat.js alone: %q, want %q", said, want)
	}
	chat.shows("from another page")
}

// user is the id of a guest, which the token says that the page keeps.
func (p *tab) user() string {
	p.t.Helper()
	return eval[string](p, `JSON.parse(atob(JSON.parse(localStorage.getItem('webim.identity')).token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).sub`)
}
