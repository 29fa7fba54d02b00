package main_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/gobwas/ws/wsutil"
	"github.com/nats-io/nats-server/v2/server"

	"webim/netpoll/wstest"
	"webim/room/token"
)

// TestLivePage opens the live picture in a real Chromium, at the real program.
func TestLivePage(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	program := buildForPages(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, context.Context, *running)
	}{
		{"Key", testLiveKey},
		{"Parts", testLiveParts},
		{"NumbersMove", testLiveNumbersMove},
		{"Disconnect", testLiveDisconnect},
		{"BanByToken", testLiveBanByToken},
		{"Hostile", testLiveHostile},
		{"Outside", testLiveOutside},
		{"ServerRestarts", testLiveServerRestarts},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting for the next second
			// Sockets that a test does not read answer no pings.
			r := launch(t, program, nil, "--dev", "--ping-interval", "none", "--listen", "127.0.0.1:0", "--internal", wstest.FreeAddr(t).String(), "--api-key", liveKey, "--token-secret", liveSecret)
			part.test(t, browser, r)
		})
	}
}

const (
	liveKey    = "a.key.of-three-parts" // as a token has
	liveSecret = "a secret of thirty-two bytes or more"

	liveState = `document.body.dataset.state === 'live'`
	// drawn: the charts have figures, and paint them.
	drawn = `document.querySelectorAll('figure').length === 8 && document.querySelector('[data-chart=connections] strong').textContent !== '–'`
)

// openLive opens the picture and enters with the key.
func openLive(t *testing.T, browser context.Context, addr, key string) *tab {
	t.Helper()
	p := openTab(t, browser)
	p.do(chromedp.Navigate("http://" + addr + "/live"))
	p.wait(`document.activeElement.id === 'key'`)
	p.enter("#key", key)
	p.wait(liveState + ` && ` + drawn)
	return p
}

// number returns the large number of a chart.
func number(chart string, line int) string {
	return fmt.Sprintf(`document.querySelector('[data-chart=%s] .line%d strong').textContent`, chart, line)
}

func testLiveKey(t *testing.T, browser context.Context, r *running) {
	p := openTab(t, browser)
	p.do(chromedp.Navigate("http://" + r.addrs[1] + "/live"))
	p.wait(`!document.querySelector('#enter').hidden && document.querySelector('#picture').hidden`)
	p.screenshot("live-1-key")
	p.judge("live-1-key")
	p.enter("#key", "a wrong key of some length")
	p.wait(`document.querySelector('#denied').textContent.includes('does not open')`)
	if kept := eval[int](p, `sessionStorage.length + localStorage.length`); kept != 0 {
		t.Error("a wrong key is kept")
	}
	p.enter("#key", liveKey)
	p.wait(liveState + ` && ` + drawn)
	if !eval[bool](p, `document.querySelector('#key').value === '' && location.href.endsWith('/live/') && localStorage.length === 0 && document.cookie === ''`) {
		t.Error("the key is somewhere where it should not be")
	}
	p.do(chromedp.Reload()) // the tab knows the key
	p.wait(liveState + ` && ` + drawn)
	p.do(chromedp.Click(chromedp.CSS("#leave")))
	p.wait(`document.querySelector('#picture').hidden && document.activeElement.id === 'key'`)
	if kept := eval[int](p, `sessionStorage.length`); kept != 0 {
		t.Error("the key is kept after leaving")
	}
}

func testLiveNumbersMove(t *testing.T, browser context.Context, r *running) {
	p := openLive(t, browser, r.addrs[1], liveKey)
	var all []*socket
	for range 3 {
		all = append(all, dial(t, "tcp", r.addrs[0]))
	}
	p.wait(number("connections", 0) + ` === '3' && document.querySelector('#largest td').textContent !== ''`)
	if got := eval[string](p, `[...document.querySelectorAll('#largest tbody tr')].map((r) => r.innerText.replace(/\s+/g, ' ')).join('|')`); !strings.Contains(got, "3") {
		t.Errorf("the largest rooms: %q", got)
	}
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			default:
			}
			for _, s := range all {
				_ = wsutil.WriteClientText(s, []byte("hello"))
			}
			for _, s := range all {
				for range all {
					_, _ = wsutil.ReadServerText(s)
				}
			}
		}
	}()
	p.wait(`!['0', '–'].includes(` + number("in", 0) + `) && !['0', '–'].includes(` + number("out", 0) + `) && !['0', '–'].includes(` + number("out", 1) + `) && /[µm]s$/.test(` + number("written", 1) + `)`)
	p.wait(`window.seen ??= new Set(), window.seen.add(document.querySelector('#moment').textContent), window.seen.size >= 4`)
	// The charts have more colours than the background.
	if painted := eval[int](p, `[...document.querySelectorAll('figure canvas')].filter((c) =>
		new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size > 8).length`); painted != 8 {
		t.Errorf("%d of 8 charts are painted", painted)
	}
	p.do(chromedp.EmulateViewport(1280, 1100))
	p.screenshot("live-2-desktop")
	p.judge("live-2-desktop")
	dark(p)
	p.screenshot("live-3-dark")
	p.judge("live-3-dark")
	p.hover(`[data-chart=in] .u-over`) // all charts tell of the moment under the pointer
	p.wait(`document.querySelector('#moment').textContent.startsWith('at ')`)
	p.do(chromedp.Click(chromedp.CSS("#language")))
	p.wait(`document.querySelector('#figures-h').textContent === '本节点每秒数据' && document.documentElement.lang === 'zh-CN'`)
	phone(p)
	p.wait(`document.querySelector('.uplot').getBoundingClientRect().width <= innerWidth`)
	if !eval[bool](p, `document.documentElement.scrollWidth <= innerWidth`) {
		t.Error("on a phone the page is wider than the window")
	}
	p.screenshot("live-4-phone-zh")
	close(done)
	<-stopped
	p.wait(number("out", 1) + ` === '0'`)
}

// hover moves the pointer into the right part of an element.
func (p *tab) hover(selector string) {
	p.t.Helper()
	at := eval[[]float64](p, `(() => {
		const b = document.querySelector(`+quote(selector)+`).getBoundingClientRect();
		return [b.right - 5, b.top + 30];
	})()`)
	for i := range 2 { // the first move is the pointer's coming
		p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: "mouseMoved", X: at[0] - float64(i), Y: at[1]})
			return err
		}))
	}
}

// find searches for a user, and waits until want connections are shown.
func (p *tab) find(who, by string, want int) {
	p.t.Helper()
	p.do(chromedp.SetValue(chromedp.CSS("#by"), by), chromedp.SetValue(chromedp.CSS("#who"), who), chromedp.Focus(chromedp.CSS("#who")))
	eval[bool](p, `document.querySelector('#find').requestSubmit(), true`)
	p.wait(fmt.Sprintf(`document.querySelector('#found').textContent !== '' && document.querySelectorAll('#results tbody tr').length === %d`, want))
}

func testLiveDisconnect(t *testing.T, browser context.Context, r *running) {
	signer, err := token.NewSigner(token.Key{Secret: []byte(liveSecret)})
	if err != nil {
		t.Fatal(err)
	}
	ann, err := signer.Sign(token.Claims{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	one, two := dialPath(t, r.addrs[0], "/tea?token="+ann), dialPath(t, r.addrs[0], "/lobby?token="+ann)
	p := openLive(t, browser, r.addrs[1], liveKey)
	p.find("ann", "user", 2)
	if !eval[bool](p, `document.documentElement.scrollWidth <= innerWidth`) {
		t.Error("with what was found the page is wider than the window")
	}
	p.screenshot("live-5-found")
	p.judge("live-5-found")
	row := fmt.Sprintf(`[...document.querySelectorAll('#results tr')].find((r) => r.textContent.includes(%s))`, quote(one.LocalAddr().String()))
	eval[bool](p, row+`.querySelector('[data-action=disconnect]').click(), true`)
	p.wait(`document.querySelector('#ask').open`)
	p.screenshot("live-6-ask")
	p.judge("live-6-ask")
	p.do(chromedp.Click(chromedp.CSS("#ask-no")))
	p.wait(`!document.querySelector('#ask').open`)
	two.echo("nothing was done")
	eval[bool](p, row+`.querySelector('[data-action=disconnect]').click(), true`)
	p.do(chromedp.Click(chromedp.CSS("#ask-yes")))
	if code := one.awaitClose(); code != 3503 {
		t.Errorf("closed with %d", code)
	}
	p.wait(`document.querySelector('#outcome').textContent.endsWith('done.') && document.querySelectorAll('#results tbody tr').length === 1`)
	two.echo("still here")
	eval[bool](p, `(document.querySelector('#who').value = 'ann', document.querySelector('#trace').click(), true)`)
	p.wait(`document.querySelector('#traced').textContent.includes('connections 1')`)
	two.echo("of this the page shows only the size")
	p.wait(`['messages from it', 'messages to it'].every((text) => document.querySelector('#trace-events').textContent.includes(text))`)
	if eval[bool](p, `document.body.textContent.includes('only the size')`) {
		t.Error("the trace shows a text")
	}
	p.screenshot("live-11-trace")
	p.judge("live-11-trace")
	eval[bool](p, `(document.querySelector('#trace').click(), true)`)
	p.wait(`document.querySelector('#traced').textContent === '' && document.querySelector('#trace').textContent === 'Trace for 5 minutes'`)
	_ = one.Close() // the server waits for it
	ended := `[...document.querySelectorAll('#ended tbody td')].map((c) => c.textContent).join(' ')`
	p.wait(`(document.querySelector('#find').requestSubmit(), document.querySelectorAll('#ended tbody tr').length === 1)`)
	if got := eval[string](p, ended); !strings.Contains(got, "operator") || !strings.Contains(got, "3503") || !strings.Contains(got, one.LocalAddr().String()) {
		t.Errorf("of the one that has ended the page says %s", got)
	}
	p.screenshot("live-10-ended")
	p.judge("live-10-ended")
	p.find("127.0.0.1", "ip", 1)
	p.find("nobody", "user", 0)
	p.wait(`document.querySelector('#ended-h').hidden`)
}

// testLiveBanByToken opens the picture with a moderator's token, and bans a user.
func testLiveBanByToken(t *testing.T, browser context.Context, r *running) {
	signer, err := token.NewSigner(token.Key{Secret: []byte(liveSecret)})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(c token.Claims) string {
		text, err := signer.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	eve := dialPath(t, r.addrs[0], "/lobby?token="+sign(token.Claims{User: "eve"}))
	p := openLive(t, browser, r.addrs[1], sign(token.Claims{User: "mod", Roles: []string{"moderator"}}))
	p.find("eve", "user", 1)
	p.do(chromedp.Click(chromedp.CSS("#results [data-action=ban]")), chromedp.SetValue(chromedp.CSS("#ask-for"), "600"), chromedp.SetValue(chromedp.CSS("#ask-reason"), "spam"))
	p.screenshot("live-7-ban")
	p.judge("live-7-ban")
	p.do(chromedp.Click(chromedp.CSS("#ask-yes")))
	if code := eve.awaitClose(); code != 4503 {
		t.Errorf("closed with %d", code)
	}
	p.wait(`document.querySelector('#outcome').textContent.endsWith('done.')`)
	if line := r.awaitLog("audit"); line["by"] != "mod" {
		t.Errorf("the audit log: %v", line)
	}
}

// Names that look like markup are text.
func testLiveHostile(t *testing.T, browser context.Context, r *running) {
	signer, err := token.NewSigner(token.Key{Secret: []byte(liveSecret)})
	if err != nil {
		t.Fatal(err)
	}
	p := openLive(t, browser, r.addrs[1], liveKey)
	names := []string{`<img src=x onerror="window.harmed=1">`, `"><script>window.harmed=1</script>`, `__proto__`, `{target}`, "\u202egnp.exe", "javascript:harmed=1"}
	roomOf := func(name string) string { return strings.TrimPrefix(name, "\u202e") } // which no room's name may have
	for _, name := range names {
		text, err := signer.Sign(token.Claims{User: name})
		if err != nil {
			t.Fatal(err)
		}
		dialPath(t, r.addrs[0], "/"+url.PathEscape(roomOf(name))+"?token="+text)
	}
	for _, name := range names {
		room := roomOf(name)
		p.wait(`[...document.querySelectorAll('#largest td')].some((td) => td.textContent === ` + quote(room) + `)`)
		p.find(name, "user", 1)
		p.wait(`document.querySelector('#results td').textContent === ` + quote(name))
		if got := eval[string](p, `document.querySelector('#results [data-label=Rooms]').textContent`); got != room {
			t.Errorf("the room %q is shown as %q", room, got)
		}
		eval[bool](p, `document.querySelector('#results [data-action=ban]').click(), true`)
		if got := eval[string](p, `document.querySelector('#ask-h').textContent`); got != "Ban "+name+"?" {
			t.Errorf("%q is to be banned as %q", name, got)
		}
		p.do(chromedp.Click(chromedp.CSS("#ask-no")))
		if eval[bool](p, `'harmed' in window`) {
			t.Errorf("%q ran", name)
		}
	}
}

// With --dev the live page is also served at the address for clients, without actions.
func testLiveOutside(t *testing.T, browser context.Context, r *running) {
	s := dial(t, "tcp", r.addrs[0])
	s.echo("hello")
	p := openLive(t, browser, r.addrs[0], liveKey)
	p.wait(number("connections", 0) + ` === '2'`) // the picture's own is one
	if n := eval[int](p, `document.querySelectorAll('[data-action]').length`); n != 0 {
		t.Errorf("there are %d buttons for an API that is not there", n)
	}
}

// After a restart of the server, the charts keep the figures from before it, and the keys reach them.
// The page does not announce the seconds until the next attempt, because screen readers would say
// each of them.
func testLiveServerRestarts(t *testing.T, browser context.Context, r *running) {
	p := openLive(t, browser, r.addrs[1], liveKey)
	first := p.oldest()
	p.expect(unreached, r.addrs[1])
	r.kill()
	p.wait(`document.body.dataset.state === 'waiting' && /\d/.test(document.querySelector('#retry').textContent)`)
	if said := eval[string](p, `document.querySelector('#status').textContent`); said != "No connection" {
		t.Errorf("said while it waits: %q", said)
	}
	p.screenshot("live-8-down")
	launch(t, buildForPages(t), nil, "--dev", "--listen", "127.0.0.1:0", "--internal", r.addrs[1], "--api-key", liveKey)
	p.wait(liveState + ` && ` + drawn + ` && document.querySelector('#retry').textContent === ''`)
	p.expectUp()
	if now := p.oldest(); now != first {
		t.Errorf("the charts began with %q, and after a restart with %q", first, now)
	}
	p.do(chromedp.KeyEvent(kb.Escape))
	p.wait(`document.querySelector('#told').textContent === '' && document.querySelector('#moment').textContent.startsWith('until ')`)
}

// oldest selects the first moment of the charts by the keyboard, and returns its announcement.
func (p *tab) oldest() string {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.CSS("#charts")), chromedp.KeyEvent(kb.Home))
	p.wait(`/^at [\d:]+; Connections \d.*; Workers busy/.test(document.querySelector('#told').textContent)`)
	return eval[string](p, `document.querySelector('#told').textContent`)
}

// testLiveParts tests parts of the page with rare or wrong answers of the server.
func testLiveParts(t *testing.T, browser context.Context, r *running) {
	p := openTab(t, browser)
	p.do(chromedp.Navigate("http://" + r.addrs[1] + "/live"))
	p.wait(`document.activeElement.id === 'key'`)
	for _, part := range []struct{ what, script, want string }{
		{"a row that moves keeps the focus, and one that goes leaves it at the heading", `
			const { table } = await import('/live/tables.js');
			document.querySelector('#picture').hidden = false;
			const rows = table(document.querySelector('#results'), [{ name: 'actions', make: (item) => {
				const b = document.createElement('button');
				b.textContent = item;
				return b;
			} }], null);
			const focused = () => document.activeElement.textContent;
			rows.show(['one', 'two'], 0, (item) => item);
			document.querySelector('#results tr:last-child button').focus();
			const said = [focused()];
			for (const items of [['two', 'one'], ['three', 'one', 'two'], ['three'], []]) {
				rows.show(items, 0, (item) => item);
				said.push(focused());
			}
			rows.show(['four'], 0, (item) => item);
			document.querySelector('#results button').focus();
			rows.show([], 0, (item) => item);
			said.push(focused());
			return said.join()`, "two,two,two,Find a user or a room,Find a user or a room,Find a user or a room"},
		{"the charts go on when the clock is set back, and draw nothing where nothing was seen", `
			const { Charts } = await import('/live/charts.js');
			const [place, moment, told] = ['div', 'p', 'p'].map((name) => document.querySelector('main').appendChild(document.createElement(name)));
			const charts = new Charts(place, moment, told);
			charts.translate();
			const start = new Date(2026, 0, 1, 12).getTime();
			const figure = (second, connections) => ({ at: start + 1000 * second, connections, rooms: 0, members: 0, in: 0, out: 0, delivered: 0, p50: null, p99: null,
				queued: 0, lagging: 0, evicted: 10 * second, slow: 0, memory: 0, heap: 0, per_conn: 0, busy: 0.25, workers: 2, goroutines: 1 });
			const value = (chart) => place.querySelector('[data-chart=' + chart + '] strong').textContent;
			const seen = () => [moment.textContent.slice(-8), value('connections'), value('evicted')].join(' ');
			const said = [];
			charts.add([figure(0, 1), figure(1, 2), figure(2, 3)]);
			said.push(seen());
			charts.add([figure(1, 4)]);
			said.push(seen());
			charts.add([figure(9, 5)]);
			said.push(seen());
			for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowLeft', 'End']) {
				place.dispatchEvent(new KeyboardEvent('keydown', { key }));
				said.push(seen());
			}
			return said.join(', ')`, "12:00:02 3 10, 12:00:01 4 10, 12:00:09 5 0, 12:00:01 4 10, 12:00:00 1 0, 12:00:00 1 0, 12:00:09 5 0"},
		{"who cannot watch because too many do is told so", `
			const { Feed } = await import('/live/feed.js');
			const real = window.WebSocket;
			window.WebSocket = class { constructor() { queueMicrotask(() => this.onclose({ code: 4429 })); } };
			const said = await new Promise((done) => new Feed(location.href, 'key', { connecting() {}, waiting: (seconds, full) => done([seconds, full]) }));
			window.WebSocket = real;
			return said.join()`, "1,true"},
		{"who bans somebody without a name is told that it is the address", `
			const { Actions } = await import('/live/actions.js');
			const actions = new Actions(() => {});
			actions.use('key', ['ban']);
			const said = [];
			for (const user of ['', 'eve']) {
				actions.buttons({ client: 'c', user, ip: '192.0.2.1' }).firstChild.click();
				said.push(document.querySelector('#ask-h').textContent, document.querySelector('#ask-what').textContent.includes('address'));
				document.querySelector('#ask').close('no');
			}
			return said.join()`, "Ban 192.0.2.1?,true,Ban eve?,false"},
	} {
		if got := eval[string](p, `(async () => {`+part.script+`})()`); got != part.want {
			t.Errorf("%s: %s, want %s", part.what, got, part.want)
		}
	}
}

// dialPath opens a WebSocket at a path.
func dialPath(t *testing.T, addr, path string) *socket {
	t.Helper()
	s, err := tryDialPath(t, "tcp", addr, path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLiveNodes opens the live picture of one of two real nodes. It shows both, finds a user and a room on the other one,
// and disconnects a client there. When the other node dies, it is gone.
func TestLiveNodes(t *testing.T) {
	t.Parallel()
	browser, program := startChromium(t), buildForPages(t)
	nats := startNATS(t, &server.Options{})
	here, there := startNode(t, program, nats, "--internal", "127.0.0.1:0"), startNode(t, program, nats)
	here.user("ann")
	ann, annID := there.user("ann")
	bob, _ := there.user("bob")
	join(bob, "team")

	p := openLive(t, browser, here.addrs[1], storeKey)
	p.wait(`document.querySelectorAll('#nodes tbody tr').length === 2 && document.querySelector('#nodes').textContent.includes('(this one)')`)
	p.find("ann", "user", 1)
	p.wait(`document.querySelectorAll('#elsewhere tbody tr').length === 1 && document.querySelector('#elsewhere').textContent.includes(` + quote(annID) + `)`)
	p.screenshot("live-8-nodes")
	p.judge("live-8-nodes")
	p.do(chromedp.Click(chromedp.CSS("#elsewhere [data-action=disconnect]")), chromedp.Click(chromedp.CSS("#ask-yes")))
	if code, _ := ann.Disconnected(); code != 3503 {
		t.Errorf("disconnected with %d", code)
	}
	p.wait(`document.querySelector('#elsewhere').textContent === ''`)
	p.find("te*", "room", 0)
	p.wait(`document.querySelectorAll('#foundRooms tbody tr').length === 1 && document.querySelector('#foundRooms td').textContent === 'team' && document.querySelector('#found').textContent.startsWith('One room')`)
	phone(p)
	if !eval[bool](p, `document.documentElement.scrollWidth <= innerWidth`) {
		t.Error("on a phone the page is wider than the window")
	}
	p.screenshot("live-9-rooms-phone")
	there.kill()
	p.wait(`document.querySelectorAll('#nodes tbody tr').length === 1 && document.querySelector('#missing').textContent === ''`)
}
