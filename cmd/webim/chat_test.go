package main_test

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp"

	"webim/room/token"
)

// TestChatPage uses the chat page as people do, in a real Chromium.
func TestChatPage(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	program := buildForPages(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, context.Context, string)
	}{
		{"TwoTalk", testTwoTalk},
		{"ThreeTalk", testThreeTalk},
		{"GuestOfTheSameName", testGuestOfTheSameName},
		{"RoomsOfOnesOwn", testRoomsOfOnesOwn},
		{"BothPagesInOneRoom", testBothPagesInOneRoom},
		{"HostileTexts", testHostileTexts},
		{"ServerIsKilled", testChatServerIsKilled},
		{"OutlivesRestart", testChatOutlivesRestart},
		{"SparseHistory", testSparseHistory},
		{"LoadsAreRepeated", testLoadsAreRepeated},
		{"JoinIsLost", testJoinIsLost},
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
		{"WithoutStorage", testWithoutStorage},
		{"CorruptStorage", testCorruptStorage},
		{"OlderBrowser", testOlderBrowser},
		{"TooOldBrowser", testTooOldBrowser},
		{"WrongClock", testWrongClock},
		{"WhomANameMeans", testWhomANameMeans},
		{"NamesAreIsolated", testNamesAreIsolated},
		{"DraftsAndTexts", testDraftsAndTexts},
		{"RoomInAnySpelling", testRoomInAnySpelling},
		{"Back", testBack},
		{"VisitAsks", testVisitAsks},
		{"TokenExpires", testTokenExpires},
		{"TokenOfApplication", testTokenOfApplication},
		{"TokenRunsOut", testTokenRunsOut},
		{"SignOut", testSignOut},
		{"BelowAPrefix", testBelowAPrefix},
		{"AnotherOrigin", testAnotherOrigin},
		{"BatchIsAnnounced", testBatchIsAnnounced},
		{"NamesAreCutLast", testNamesAreCutLast},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, browser, program)
		})
	}
}

const text = chromedp.CSS("#text")

// come opens the chat page and signs in as a guest.
func come(t *testing.T, browser context.Context, url, name string) *tab {
	t.Helper()
	p := openTab(t, browser)
	p.do(chromedp.Navigate(url))
	p.wait(`document.querySelector('#name').checkVisibility()`)
	p.enter(chromedp.CSS("#name"), name)
	p.isIn()
	return p
}

// comeAs opens the chat page and signs in with a token signed with the secret.
func comeAs(t *testing.T, browser context.Context, url, secret string, claims token.Claims) *tab {
	t.Helper()
	signer, err := token.NewSigner(token.Key{Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	p := openTab(t, browser)
	p.do(chromedp.Navigate(url))
	p.wait(`document.querySelector('#entry').checkVisibility()`)
	eval[bool](p, `(document.querySelector('details').open = true, true)`)
	p.enter(chromedp.CSS("#token"), jwt)
	p.isIn()
	return p
}

// isIn waits until the room and the user's name are shown.
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
