package room_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/centrifuge"
	"webim/room/identity"
	"webim/room/mux"
)

// noting is a hub that notes how much of a busy client's input was handled when another
// client's message came to its turn.
type noting struct {
	*mux.Handler
	busy  string // the address of the busy client
	calls int    // of Message for it; of the one worker
	done  chan int
}

func (h *noting) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	if identity.AddressOf(c).String() != h.busy {
		h.done <- h.calls
		h.Handler.Message(c, op, data)
		return
	}
	before, _ := centrifuge.Handled(c)
	h.Handler.Message(c, op, data)
	switch after, waits := centrifuge.Handled(c); {
	case c.Tag() != 0:
		h.calls++
	case waits:
		h.calls += after - before
	default:
		h.calls += strings.Count(string(data), "\n") + 1 - before
	}
}

// However many commands a client sends, in one message or in many, another client's
// message waits for a part of them only, also with one worker; and all are answered.
func TestManyCommandsWaitForFew(t *testing.T) {
	const many = 100
	lines := func(command string) string { // %d is the number of a room
		all := make([]string, many)
		for i := range all {
			all[i] = fmt.Sprintf(`{"id":%d,%s}`, i+10, strings.ReplaceAll(command, "%d", fmt.Sprint(i)))
		}
		return strings.Join(all, "\n")
	}
	plain := make([]string, 200)
	for i := range plain {
		plain[i] = fmt.Sprint(i)
	}
	for _, c := range []struct {
		name     string
		messages []string
		plain    bool
		most     int // of the busy client's, before the other's
	}{
		{"subscribe", []string{lines(`"subscribe":{"channel":"a%d"}`)}, false, 16},
		{"unsubscribe", []string{lines(`"unsubscribe":{"channel":"a%d"}`)}, false, 16},
		{"presence", []string{lines(`"presence":{"channel":"a"}`)}, false, 16},
		{"history", []string{lines(`"history":{"channel":"a","limit":1}`)}, false, 16},
		{"a message each", strings.Split(lines(`"subscribe":{"channel":"a%d"}`), "\n"), false, 16},
		{"plain", plain, true, 128},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, nc := openBudgets(t)
			nc.Loops, nc.Workers = 1, 1
			hub := newHub(cfg)
			h := &noting{Handler: mux.New(hub), done: make(chan int, 8)}
			n := startWith(t, hub, nc, h)
			other := n.as(t, bystanding, "bob")
			<-h.done // its connect command
			var busy *client
			if c.plain {
				busy = n.from(t, attacker, "/busy", noDeflate)
			} else {
				busy = n.as(t, attacker, "ann")
				<-h.done
			}
			release := n.holdWorker()
			defer release()
			h.busy, h.calls = attacker, 0
			busy.sendWhole(t, c.messages...)
			n.seen(t)
			other.sendWhole(t, numbered(1, `"ping":{}`))
			n.seen(t)
			release()
			if got := <-h.done; got == 0 || got > c.most {
				t.Errorf("%d of %d were handled first", got, max(many, len(c.messages)))
			}
			answers(t, other, 1)
			if c.plain {
				for _, text := range c.messages {
					busy.expect(t, ws.OpText, text)
				}
			} else {
				answers(t, busy, many)
			}
		})
	}
}

// seen waits until the loop has queued what has come before: connections that come later
// are accepted later, and the second one in a later batch of events.
func (n *node) seen(t *testing.T) {
	t.Helper()
	for range 2 {
		before := n.s.Stats().Accepted
		c, err := net.Dial("tcp", n.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		wstest.Eventually(t, "the connection is accepted", func() bool { return n.s.Stats().Accepted > before })
	}
}
