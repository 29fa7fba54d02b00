package main_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// library is the npm package "centrifuge" 5.8.0 (npm pack centrifuge@5.8.0), as
// its makers distribute it: a file of its folder dist, and its licence. The other
// file is the one that the chat page has, in package web.
const library = "testdata/centrifuge-5.8.0"

// testSDK connects the official SDK for browsers to webim.
func testSDK(t *testing.T, browser context.Context, program string) {
	pages := sdkPages(t)
	for _, protocol := range []string{"json", "protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			server := startWebim(t, program, "127.0.0.1:0")
			road := newRelay(t, server.host)
			open := func(host string) *tab {
				return openSDK(t, browser, pages, protocol, host)
			}
			ann, bob := open(road.addr), open(server.host)
			sdkTalks(t, ann, bob)
			sdkRecovers(t, ann, bob, road)
			eval[bool](bob, `(client.disconnect(), true)`)
			sdkManyRooms(ann, road)
			sdkRestart(t, ann, road, server, program)
		})
	}
}

// sdkPages serves testdata/sdk.html and the library.
func sdkPages(t *testing.T) *httptest.Server {
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.ServeFile(w, r, "testdata/sdk.html")
			return
		}
		folder := os.DirFS(library)
		if r.URL.Path == "/centrifuge.js" {
			folder = os.DirFS("../../web/static/vendor/centrifuge-5.8.0")
		}
		http.ServeFileFS(w, r, folder, r.URL.Path)
	}))
	t.Cleanup(pages.Close)
	return pages
}

// openSDK opens the page, which connects to a server.
func openSDK(t *testing.T, browser context.Context, pages *httptest.Server, protocol, host string) *tab {
	t.Helper()
	p := openTab(t, browser)
	q := url.Values{"protocol": {protocol}, "url": {"ws://" + host + "/connection/websocket"}}
	p.do(chromedp.Navigate(pages.URL + "/?" + q.Encode()))
	p.wait(`told('connected')`)
	return p
}

// sdkTalks: the commands of the library, one after the other.
func sdkTalks(t *testing.T, ann, bob *tab) {
	ann.do(chromedp.Evaluate[chromedp.Void](`void (window.tea = room('tea', {recoverable: true, joinLeave: true}))`))
	ann.wait(`told('tea: join')`)
	bob.do(chromedp.Evaluate[chromedp.Void](`void (window.tea = room('tea'))`))
	bob.wait(`told('tea: subscribed false false')`)
	ann.wait(`count('join') === 2`)
	for i := 1; i <= 3; i++ {
		eval[bool](bob, fmt.Sprintf(`tea.publish(encode({n: %d})).then(() => true)`, i))
	}
	for _, p := range []*tab{ann, bob} {
		p.wait(`told('tea: {"n":3} at 3')`)
	}
	for what, want := range map[string]string{
		`tea.presence().then((p) => Object.keys(p.clients).length)`:                                          "2",
		`client.presenceStats('tea').then((p) => p.numClients + ' ' + p.numUsers)`:                           "2 1",
		`tea.history({limit: 2, reverse: true}).then((h) => h.publications.map((p) => p.offset).join())`:     "3,2",
		`client.history('tea', {limit: -1}).then((h) => JSON.stringify(decode(h.publications[0].data)))`:     `{"n":1}`,
		`tea.history({limit: 0}).then((h) => h.publications.length + ' ' + h.offset + ' ' + h.epoch.length)`: "0 3 8",
		`client.rpc('none', encode({})).then(() => 'answered', (e) => e.code)`:                               "108",
		`client.send(encode({})).then(() => 'sent')`:                                                         "sent",
		`protobuf ? tea.publish(new Uint8Array([255])).then(() => "taken", (e) => e.code) : 107`:             "107",
	} {
		if got := eval[string](ann, `Promise.resolve(`+what+`).then(String)`); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	eval[bool](bob, `(tea.unsubscribe(), true)`)
	ann.wait(`told('tea: leave')`)
	bob.wait(`told('tea: unsubscribed 0')`)
}

// sdkRecovers checks that messages of a network outage arrive after it.
func sdkRecovers(t *testing.T, ann, bob *tab, road *relay) {
	ann.expect(unreached, road.addr)
	from := eval[int](ann, `tea.history({limit: 0}).then((h) => h.offset)`)
	for range 3 {
		eval[bool](ann, `(forget(), true)`)
		road.cut()
		ann.wait(`told('connecting 1')`)
		for range 2 {
			from++
			eval[bool](bob, fmt.Sprintf(`client.publish('tea', encode(%d)).then(() => true)`, from))
		}
		road.mend("")
		ann.wait(fmt.Sprintf(`told('tea: %d at %d')`, from, from))
		want := fmt.Sprintf("connecting 1\nconnected\ntea: subscribed true true\ntea: %d at %d\ntea: %d at %d", from-1, from-1, from, from)
		if got := eval[string](ann, `events().filter((text) => text !== 'tea: join' && text !== 'tea: leave').join('\n')`); got != want {
			t.Errorf("told:\n%s\nwant:\n%s", got, want)
		}
	}
}

// sdkManyRooms: a hundred rooms at once, and all again after a cut.
func sdkManyRooms(ann *tab, road *relay) {
	eval[bool](ann, `(forget(), Array.from({length: 100}, (_, i) => room('room ' + i, {recoverable: true})).length === 100)`)
	ann.wait(`count(': subscribed false false') === 100`)
	eval[bool](ann, `(forget(), true)`)
	road.cut()
	road.mend("")
	ann.wait(`count(': subscribed true true') === 101`)
}

// sdkRestart: another server has another epoch, and the client is told so.
func sdkRestart(t *testing.T, ann *tab, road *relay, server *child, program string) {
	next := startWebim(t, program, "127.0.0.1:0")
	eval[bool](ann, `(forget(), true)`)
	road.mend(next.host)
	server.signal(syscall.SIGTERM)
	ann.wait(`count(': subscribed true false') === 101`)
	// Those who were cut off may be told as gone only now.
	if !eval[bool](ann, `events().find(e => !e.endsWith(': leave')) === 'connecting 3001'`) {
		t.Errorf("a server that stops: %s", eval[string](ann, `events().slice(0, 3).join(', ')`))
	}
	eval[bool](ann, `tea.publish(encode("again")).then(() => true)`)
	ann.wait(`told('tea: "again" at 1')`)
	eval[bool](ann, `(client.disconnect(), true)`)
	ann.wait(`told('disconnected 0')`)
}

// relay is a way to a server that a test can cut.
type relay struct {
	addr string
	ln   net.Listener

	mu    sync.Mutex
	to    string
	away  bool
	conns []net.Conn
	wg    sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: ln.Addr().String(), ln: ln, to: to}
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		ln.Close()
		r.cut()
		r.wg.Wait()
	})
	return r
}

func (r *relay) accept() {
	for {
		near, err := r.ln.Accept()
		if err != nil {
			return
		}
		r.join(near)
	}
}

// join lets a connection through, or drops it while the relay is cut.
func (r *relay) join(near net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		near.Close()
		return
	}
	far, err := net.Dial("tcp", r.to)
	if err != nil {
		near.Close()
		return
	}
	r.conns = append(r.conns, near, far)
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		r.wg.Go(func() {
			_, _ = io.Copy(pair[0], pair[1]) // either end's end is the other's
			pair[0].Close()
			pair[1].Close()
		})
	}
}

// cut breaks all connections, and refuses new ones until mend.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = true
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// mend relays connections again, to the address to or, if that is empty, to the previous one.
func (r *relay) mend(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = false
	if to != "" {
		r.to = to
	}
}
