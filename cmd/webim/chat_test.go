package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"webim/room/token"
)

// TestChatPage uses the chat page as people do, in a real Chromium.
func TestChatPage(t *testing.T) {
	browser := startChromium(t)
	program := buildWebim(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, context.Context, string)
	}{
		{"TwoTalk", testTwoTalk},
		{"ThreeTalk", testThreeTalk},
		{"RoomsOfOnesOwn", testRoomsOfOnesOwn},
		{"BothPagesInOneRoom", testBothPagesInOneRoom},
		{"HostileTexts", testHostileTexts},
		{"ServerIsKilled", testChatServerIsKilled},
		{"OfflineAndOnline", testOfflineAndOnline},
		{"UnsentOutlivesThePage", testUnsentOutlivesThePage},
		{"GuestOfAnotherTime", testGuestOfAnotherTime},
		{"Kicked", testKicked},
		{"InTheBackground", testInTheBackground},
		{"TenThousandMessages", testTenThousandMessages},
		{"Moderator", testModerator},
		{"KeyboardOnly", testKeyboardOnly},
		{"Accessible", testAccessible},
		{"PhoneAndChinese", testPhoneAndChinese},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, browser, program) })
	}
}

const text = chromedp.CSS("#text")

// come opens the chat page and comes in as a guest.
func come(t *testing.T, browser context.Context, url, name string) *tab {
	t.Helper()
	p := openTab(t, browser)
	p.do(chromedp.Navigate(url))
	p.wait(`document.querySelector('#name').checkVisibility()`)
	p.enter(chromedp.CSS("#name"), name)
	p.isIn()
	return p
}

// isIn waits until the room is there, and who one is.
func (p *tab) isIn() {
	p.t.Helper()
	p.wait(`document.body.dataset.state === 'connected' && !document.querySelector('#room').hidden && !document.querySelector('#text').disabled && document.querySelector('#log .note')?.textContent !== 'Loading …'`)
}

// bodies are the texts of the messages that the page shows, as JavaScript.
const bodies = `[...document.querySelectorAll('#log .message .body')].map((n) => n.textContent)`

// shows waits until the last message has a text.
func (p *tab) shows(last string) {
	p.t.Helper()
	p.wait(bodies + `.at(-1) === ` + quote(last))
}

// settled waits until nothing is on its way.
func (p *tab) settled() {
	p.t.Helper()
	p.wait(`!document.querySelector('#log .sending, #log .failed')`)
}

// choose opens the actions of the last message with a text, and takes one.
func (p *tab) choose(of, action string) {
	p.t.Helper()
	button := `[...document.querySelectorAll('#log .message')].findLast((n) => n.querySelector('.body').textContent === ` + quote(of) + `)?.querySelector('.actions')`
	p.wait(button + ` != null`)
	eval[bool](p, `(`+button+`.click(), true)`)
	p.pick(action)
}

// pick takes an entry of the menu that is open.
func (p *tab) pick(action string) {
	p.t.Helper()
	item := `[...document.querySelectorAll('[role=menuitem]')].find((n) => n.textContent === ` + quote(action) + `)`
	p.wait(item + ` !== undefined`)
	eval[bool](p, `(`+item+`.click(), true)`)
}

// confirm ends the dialog that is open, after its fields were filled in.
func (p *tab) confirm(fields map[string]string) {
	p.t.Helper()
	p.wait(`document.querySelector('dialog[open]') !== null`)
	for name, value := range fields {
		eval[bool](p, `(document.querySelector('dialog [name=`+name+`]').value = `+quote(value)+`, true)`)
	}
	eval[bool](p, `(document.querySelector('dialog [value=ok]').click(), true)`)
	p.wait(`document.querySelector('dialog') === null`)
}

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

// testThreeTalk is the README's picture.
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
	ann.wait(`document.querySelector('#log .chip').getAttribute('aria-label') === '🎉 2: 王芳, Ann'`)
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
	eval[bool](ann, `([...document.querySelectorAll('#room-list button')].find((b) => b.textContent.includes('Lobby')).click(), true)`)
	ann.isIn()
	fang.wait(`[...document.querySelectorAll('#member-list .title')].some((n) => n.textContent === '王芳')`)
	eval[bool](fang, `([...document.querySelectorAll('#room-list button')].find((b) => b.textContent.includes('Lobby')).click(), true)`)
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
	eval[bool](ann, `([...document.querySelectorAll('#room-list button')].find((b) => b.textContent.includes('Bob')).click(), true)`)
	ann.shows("only for you")
	bob.wait(`document.querySelector('#log .mine .progress')?.textContent === 'Read'`)
	if left := eval[string](ann, `document.querySelector('#text').value`); left != "" {
		t.Errorf("what Ann writes in the tea room would be said to Bob: %q", left)
	}
	ann.wait(`document.querySelector('#room-list .badge') === null`)
	ann.wait(`[...document.querySelectorAll('#member-list .title')].map((n) => n.textContent).join() === 'Ann,Bob'`)
	ann.screenshot("chat-5-rooms")

	eval[bool](ann, `([...document.querySelectorAll('#room-list button')].find((b) => b.textContent.includes('Tea & talk')).click(), true)`)
	ann.wait(`document.querySelector('#text').value === 'half a word for tea'`)

	// A private room, by invitation: a name is enough for those whom one has seen.
	ann.do(chromedp.Click(chromedp.CSS("#add")))
	ann.pick("New private room")
	ann.confirm(map[string]string{"title": "The two of us", "users": "Bob"})
	ann.wait(`document.querySelector('#heading').textContent === 'The two of us'`)
	bob.wait(`document.querySelector('.toast')?.textContent.includes('The two of us')`)
	bob.wait(titles + `.includes('The two of us')`)
	eval[bool](bob, `([...document.querySelectorAll('#room-list button')].find((b) => b.textContent.includes('The two of us')).click(), true)`)
	bob.isIn()
	bob.enter(text, "thanks")
	ann.shows("thanks")
	bob.do(chromedp.Click(chromedp.CSS("#room-menu")))
	bob.pick("Leave this room")
	bob.confirm(nil)
	bob.wait(`!` + titles + `.includes('The two of us')`)
}

// testBothPagesInOneRoom: what the simple page says is read on the chat page, and
// the other way round; its marks and reactions are not.
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
	library, err := os.ReadFile("../../web/static/vendor/centrifuge-5.8.0/centrifuge.js")
	if err != nil {
		t.Fatal(err)
	}
	simple.do(chromedp.Evaluate[chromedp.Void](string(library) + `;void 0`))
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

// hostile are texts that must be texts.
var hostile = []string{
	`<script>document.title='owned'</script>`,
	`<img src=x onerror="document.title='owned'">`,
	`"><svg/onload=document.title='owned'>`,
	`javascript:document.title='owned'`,
	`[x](javascript:document.title='owned')`,
	`http://a" onmouseover="document.title='owned'`,
	`https://user:pass@example.com/`,
	`&lt;b&gt;&#x3c;`,
	"a\u202ebc\u2066d",
	"{{constructor.constructor('document.title=`owned`')()}}",
	strings.Repeat("W", 4096),
	strings.Repeat("خ", 300) + "abc",
	"Z̷̢̛̰a̸̧l̵g̶o̴" + strings.Repeat("\u0301", 60),
	"👨‍👩‍👧🏴󠁧󠁢󠁳󠁣󠁴󠁿",
	"__proto__", "constructor", "toString",
}

func testHostileTexts(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := come(t, browser, server.url, `<b>Ann</b>"'`)
	bob := come(t, browser, server.url, "Bob")
	for _, s := range hostile {
		ann.enter(text, s)
		bob.shows(s)
	}
	bob.choose(hostile[1], "Reply")
	bob.enter(text, "quoting")
	ann.shows("quoting")
	for _, s := range []string{`<img src=x onerror=alert(1)>`, `#` + strings.Repeat("x", 40), `__proto__`} {
		bob.do(chromedp.Click(chromedp.CSS("#add")))
		bob.pick("Join a room by name")
		bob.confirm(map[string]string{"room": s})
		bob.wait(`document.querySelector('#heading').textContent === ` + quote(s) + ` || document.querySelector('#banner').textContent !== '' || document.querySelector('.toast') !== null`)
	}
	links := eval[string](ann, `import('./links.js').then(({ linked }) => ['(https://a.example/b_(c)).', '见https://例子.测试/路?q#f。好', 'HTTP://A.example!', '"https://a.example"', 'javascript:x ftp://a.example data:,x https://u@a.example', 'https://[::1]:8/x]']
		.map((s) => linked(s).map((n) => n.href ? '<' + n.href + '>' : n).join('')).join(' | '))`)
	if want := `(<https://a.example/b_(c)>). | 见<https://xn--fsqu00a.xn--0zwm56d/%E8%B7%AF?q#f>。好 | <http://a.example/>! | "<https://a.example/>" | javascript:x ftp://a.example data:,x https://u@a.example | <https://[::1]:8/x>]`; links != want {
		t.Errorf("the links are\n%s, want\n%s", links, want)
	}
	for _, p := range []*tab{ann, bob} {
		if eval[bool](p, `document.title.includes('owned') || document.querySelector('#log :not(article, p, span, bdi, div, time, button, svg, use, a, blockquote), nav b, nav img:not([src="favicon.svg"])') !== null`) {
			t.Error("a text became markup")
		}
		if links := eval[string](p, `[...document.querySelectorAll('#log a')].map((a) => a.protocol).filter((one) => !['http:', 'https:'].includes(one)).join()`); links != "" {
			t.Errorf("links to %s", links)
		}
		if wide := eval[bool](p, `document.documentElement.scrollWidth > innerWidth || document.querySelector('#log').scrollWidth > document.querySelector('#log').clientWidth`); wide {
			t.Error("a long word breaks the layout")
		}
	}
	ann.screenshot("chat-6-hostile")
}

func testChatServerIsKilled(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann, bob := come(t, browser, server.url, "Ann"), come(t, browser, server.url, "Bob")
	ann.enter(text, "before")
	bob.shows("before")
	for _, p := range []*tab{ann, bob} {
		p.expectServerDown(true)
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
	startWebim(t, program, server.host)
	for _, p := range []*tab{ann, bob} {
		eval[bool](p, `(document.querySelector('#retry').click(), true)`)
		p.wait(`document.body.dataset.state === 'connected'`)
		p.expectServerDown(false)
	}
	// The server has forgotten all: that is said, and what was written meanwhile is
	// there, in order, once.
	for _, p := range []*tab{ann, bob} {
		p.wait(bodies + `.join() === 'meanwhile 0,meanwhile 1,meanwhile 2'`)
	}
	ann.settled()
	bob.wait(`[...document.querySelectorAll('.toast')].some((n) => n.textContent.startsWith('Some messages could not be recovered'))`)
}

func testOfflineAndOnline(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	road := newRelay(t, server.host)
	ann, bob := come(t, browser, "http://"+road.addr+"/", "Ann"), come(t, browser, server.url, "Bob")
	ann.enter(text, "one")
	bob.shows("one")
	// The browser's own emulation leaves WebSockets alone, so the way is cut, too.
	offline := func(p *tab, off bool) {
		p.t.Helper()
		p.expectServerDown(true)
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
			p.expectServerDown(false)
		}
	}
	offline(ann, true)
	ann.wait(`document.querySelector('#state').textContent.startsWith('Offline')`)
	bob.enter(text, "two")
	ann.enter(text, "written offline")
	ann.wait(`document.querySelectorAll('#log .message.sending').length === 1`)
	offline(ann, false)
	// Recovered: nothing is missing, doubled or out of order, and no gap is told.
	for _, p := range []*tab{ann, bob} {
		p.wait(bodies + `.join() === 'one,two,written offline'`)
	}
	if eval[bool](ann, `document.querySelector('.toast') !== null`) {
		t.Error("a gap is told, and there was none")
	}

	// What was written offline is sent from another room, and after a reload, too.
	ann.do(chromedp.Click(chromedp.CSS("#add")))
	ann.pick("New public room")
	ann.confirm(map[string]string{"room": "tea", "title": "Tea"})
	ann.wait(`document.querySelector('#heading').textContent === 'Tea'`)
	ann.isIn()
	offline(ann, true)
	ann.wait(`document.querySelector('#state').textContent.startsWith('Offline')`)
	ann.enter(text, "in the tea room")
	ann.wait(`document.querySelectorAll('#log .message.sending').length === 1`)
	eval[bool](ann, `([...document.querySelectorAll('#room-list button')].find((b) => b.textContent.includes('Lobby')).click(), true)`)
	ann.wait(`document.querySelector('#heading').textContent === 'Lobby' && !document.querySelector('#log .sending')`)
	offline(ann, false)
	bob.do(chromedp.Click(chromedp.CSS("#add")))
	bob.pick("Join a room by name")
	bob.confirm(map[string]string{"room": "tea"})
	bob.shows("in the tea room")
}

// testUnsentOutlivesThePage: a page is reloaded, or a browser throws away a
// background tab, before all is sent.
func testUnsentOutlivesThePage(t *testing.T, browser context.Context, program string) {
	dev := func(listen string) *running {
		return launch(t, program, nil, "--dev", "--listen", listen, "--token-secret", "a secret of thirty-two bytes or more")
	}
	server := dev("127.0.0.1:0")
	url := "http://" + server.addrs[0] + "/"
	ann := come(t, browser, url, "Ann")
	ann.expectServerDown(true)
	server.kill()
	ann.wait(`document.body.dataset.state === 'waiting'`)
	ann.enter(text, "one")
	ann.enter(text, "two")
	ann.wait(`document.querySelectorAll('#log .message.sending').length === 2`)
	dev(server.addrs[0])
	ann.do(chromedp.Reload())
	ann.isIn()
	ann.expectServerDown(false)
	bob := come(t, browser, url, "Bob")
	for _, p := range []*tab{ann, bob} {
		p.wait(bodies + `.join() === 'one,two'`)
	}
	ann.settled()
	ann.wait(`sessionStorage.getItem('webim.outbox') === null && document.querySelectorAll('#log .mine').length === 2`)
}

// testGuestOfAnotherTime: a guest whose token is worth nothing any more comes in
// by the same name, without being asked.
func testGuestOfAnotherTime(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := come(t, browser, server.url, "Ann")
	ann.do(chromedp.Navigate("about:blank"))
	server.kill()
	ann.do(chromedp.Navigate(startWebim(t, program, server.host).url))
	ann.isIn()
	ann.wait(`document.querySelector('#me').textContent === 'You are Ann'`)
	ann.enter(text, "here again")
	ann.shows("here again")
	ann.settled()
}

// callAPI is a backend's call.
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

// testKicked: who is sent out sees why; what fails then is tried again by hand,
// and said once.
func testKicked(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--api", "--api-key", "a key of the tests")
	url := "http://" + server.addrs[0] + "/"
	ann, bob := come(t, browser, url, "Ann"), come(t, browser, url, "Bob")
	ann.enter(text, "one")
	bob.shows("one")
	id := eval[string](ann, `JSON.parse(atob(JSON.parse(localStorage.getItem('webim.identity')).token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).sub`)
	callAPI(t, server, "disconnect", `{"user":`+quote(id)+`,"disconnect":{"code":3503,"reason":"force disconnect"}}`)
	ann.wait(`document.body.dataset.state === 'ended' && document.querySelector('#state').textContent === 'Disconnected: a moderator has ended your connection.'`)
	ann.enter(text, "two")
	ann.wait(`document.querySelector('#log .message.failed .fault span')?.textContent.startsWith('Not sent: force disconnect')`)
	if h := eval[float64](ann, `document.querySelector('#top').clientHeight`); h > 70 {
		t.Errorf("what is said of the connection makes the line above %v pixels high", h)
	}
	ann.screenshot("chat-15-kicked")
	ann.judge("kicked")
	ann.do(chromedp.Click(chromedp.CSS("#retry")))
	ann.isIn()
	ann.do(chromedp.Reload()) // it is not said behind her back
	ann.isIn()
	ann.wait(`document.querySelector('#log .message.failed .fault span')?.textContent.startsWith('Not sent: force disconnect')`)
	eval[bool](ann, `([...document.querySelectorAll('#log .failed button')].find((b) => b.textContent === 'Try again').click(), true)`)
	for _, p := range []*tab{ann, bob} {
		p.wait(bodies + `.join() === 'one,two'`)
	}
	ann.settled()
}

// testInTheBackground: a page that is not looked at tells that it has got a
// message, and that it was read when it is looked at again.
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

func testTenThousandMessages(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--history-messages", "10000", "--history-bytes", "4MiB", "--api", "--api-key", "a key of the tests")
	const count = 10_000
	for from := 0; from < count; from += 500 {
		var b strings.Builder
		b.WriteString(`{"commands":[`)
		for i := from; i < from+500; i++ {
			if i > from {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"publish":{"channel":"lobby","data":{"text":"message %d"}}}`, i)
		}
		b.WriteString(`]}`)
		callAPI(t, server, "batch", b.String())
	}
	p := come(t, browser, "http://"+server.addrs[0]+"/", "Ann")
	p.shows(fmt.Sprint("message ", count-1))
	nodes := func() int { return eval[int](p, `document.querySelectorAll('#log .message').length`) }
	// Up through some pages: the message that is in sight stays where it is, and the
	// focus in the log, though what had it has gone.
	eval[bool](p, `([...document.querySelectorAll('#log .message')].at(-1).focus({ preventScroll: true }), true)`)
	for page := range 8 {
		first := eval[string](p, bodies+`[0]`)
		moved := eval[float64](p, `new Promise((done) => {
			const log = document.querySelector('#log');
			const node = log.querySelector('.message');
			log.scrollTop = 0;
			const before = node.getBoundingClientRect().top;
			const changes = new MutationObserver(() => {
				if (log.querySelector('.message').dataset.offset === node.dataset.offset) return;
				changes.disconnect();
				requestAnimationFrame(() => done(Math.abs(log.querySelector('[data-offset="' + node.dataset.offset + '"]').getBoundingClientRect().top - before)));
			});
			changes.observe(log, { childList: true });
			log.dispatchEvent(new Event('scroll'));
		})`)
		if moved > 2 {
			t.Errorf("page %d: the message jumped by %v pixels", page, moved)
		}
		p.wait(bodies + `[0] !== ` + quote(first))
		if n := nodes(); n > 200 {
			t.Fatalf("%d message nodes", n)
		}
	}
	if focus := eval[string](p, `document.activeElement.id`); focus != "log" {
		t.Errorf("the focus is on %q", focus)
	}
	all := eval[[]string](p, bodies)
	for i, s := range all {
		if s != fmt.Sprint("message ", atoi(t, all[0])+i) {
			t.Fatalf("message %d of the page is %q behind %q", i, s, all[0])
		}
	}
	p.wait(`!document.querySelector('#newest').hidden`)
	p.screenshot("chat-8-history")
	p.do(chromedp.Click(chromedp.CSS("#newest")))
	p.shows(fmt.Sprint("message ", count-1))
	p.enter(text, "at the end")
	p.shows("at the end")
	// Who answers an old message is back at the end, and what is answered is
	// quoted for all, loaded or not.
	for range 6 {
		first := eval[string](p, bodies+`[0]`)
		// The event at once: a message that comes before it would bring the end back.
		eval[bool](p, `(document.querySelector('#log').scrollTop = 0, document.querySelector('#log').dispatchEvent(new Event('scroll')), true)`)
		p.wait(bodies + `[0] !== ` + quote(first))
	}
	old := eval[string](p, bodies+`[0]`)
	p.choose(old, "Reply")
	p.enter(text, "an answer")
	q := come(t, browser, "http://"+server.addrs[0]+"/", "Bob")
	for _, p := range []*tab{p, q} {
		p.shows("an answer")
		p.wait(`document.querySelector('#log .quote')?.textContent.endsWith(` + quote(": "+old) + `)`)
	}
	if n := nodes(); n > 200 {
		t.Errorf("%d message nodes", n)
	}
}

func atoi(t *testing.T, s string) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(s, "message %d", &n); err != nil {
		t.Fatal(s, err)
	}
	return n
}

// testModerator: one who came with a token mutes, and bans, a guest.
func testModerator(t *testing.T, browser context.Context, program string) {
	const secret = "a secret of thirty-two bytes or more"
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--token-secret", secret)
	signer, err := token.NewSigner(token.Key{Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := signer.Sign(token.Claims{User: "carol", Roles: []string{"admin"}, Info: []byte(`{"name":"Carol"}`)})
	if err != nil {
		t.Fatal(err)
	}
	carol := openTab(t, browser)
	carol.do(chromedp.Navigate("http://" + server.addrs[0] + "/"))
	carol.wait(`document.querySelector('#entry').checkVisibility()`)
	eval[bool](carol, `(document.querySelector('details').open = true, true)`)
	carol.do(chromedp.Focus(chromedp.CSS("#token")), insert(jwt), chromedp.KeyEvent(kb.Enter))
	carol.isIn()
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
	bob.wait(`document.querySelector('#banner').textContent === 'You are muted here.' && document.querySelector('#text').disabled`)
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
	carol.confirm(map[string]string{"minutes": "0"})
	bob.wait(`document.querySelector('#banner').textContent === 'You are not in this room any more: you are banned here.'`)
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

// testKeyboardOnly comes in, talks, answers and leaves without a pointer.
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
	// The last of one's own by the arrow, and out of it.
	press(kb.ArrowUp)
	p.wait(`document.querySelector('#text').value === 'second'`)
	press(kb.Escape)
	p.wait(`document.querySelector('#text').value === '' && document.querySelector('#context').hidden`)
	// Every stop of Tab can be seen to be one.
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

// testAccessible has axe-core judge the main states, light and dark.
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
	// New messages are told to who cannot see them, in each room that is opened.
	bob.enter(text, "news")
	ann.wait(`document.querySelector('#news').textContent === 'Bob: news'`)
	for _, p := range []*tab{ann, bob} {
		p.do(chromedp.Click(chromedp.CSS("#add")))
		p.pick("Join a room by name")
		p.confirm(map[string]string{"room": "tea"})
		p.wait(`document.querySelector('#heading').textContent === 'tea'`)
		p.isIn()
	}
	ann.enter(text, "own words are not news")
	bob.enter(text, "the first here")
	ann.wait(`document.querySelector('#news').textContent === 'Bob: the first here'`)
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
