package room_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/mux"
)

// readings is a memory engine that counts what is read of histories.
type readings struct {
	*memory.Engine
	n atomic.Int64
}

func (e *readings) History(room string, part engine.Span, done func(engine.History, error)) {
	if part.Limit != 0 {
		e.n.Add(1)
	}
	e.Engine.History(room, part, done)
}

// turns is a hub that notes how each message was handled, at each time that it came.
type turns struct {
	*mux.Handler
	engine *readings
	before func(message []byte)

	mu    sync.Mutex
	parts []part
}

// part is what happened when a message was handled once.
type part struct {
	readings int64
	behind   bool // what comes next is in the background
}

func (h *turns) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	if h.before != nil {
		h.before(data)
	}
	n := h.engine.n.Load()
	h.Handler.Message(c, op, data)
	h.mu.Lock()
	h.parts = append(h.parts, part{readings: h.engine.n.Load() - n})
	h.mu.Unlock()
}

func (h *turns) Spend(c netpoll.Conn, cost netpoll.Cost) netpoll.Treatment {
	v := h.Handler.Spend(c, cost)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.parts) > 0 {
		h.parts[len(h.parts)-1].behind = v.Background
	}
	return v
}

// since are the parts since the last call, once there are so many.
func (h *turns) since(t *testing.T, n int) (parts []part) {
	t.Helper()
	wstest.Eventually(t, fmt.Sprint(n, " parts are handled"), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.parts) >= n
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	parts, h.parts = h.parts, nil
	return parts
}

// startTurns is a server with one room, "large", a reply from which is too large for two
// to be made in a turn.
func startTurns(t *testing.T, change func(*room.Config), before func(message []byte)) (*node, *turns) {
	cfg, nc := openBudgets(t)
	e := &readings{Engine: memory.New(memory.Limits{})}
	cfg.Engine = e
	if change != nil {
		change(&cfg)
	}
	hub := newHub(cfg)
	h := &turns{Handler: mux.New(hub), engine: e, before: before}
	n := startWith(t, hub, nc, h)
	for range 10 {
		hub.Publish("large", engine.Message{Op: engine.OpJSON, Data: []byte(`"` + strings.Repeat("x", cost.TurnReplies/10) + `"`)}, nil)
	}
	return n, h
}

// numbered is a message of many commands.
func numbered(n int, command string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"id":%d,%s}`, i+10, command))
	}
	return strings.Join(all, "\n")
}

const (
	readLarge    = `"history":{"channel":"large","limit":-1}`
	recoverLarge = `"subscribe":{"channel":"large","recover":true}`
)

// sendWhole sends messages with one write, so that one read brings them.
func (c *client) sendWhole(t *testing.T, messages ...string) {
	t.Helper()
	var all []byte
	for _, text := range messages {
		all = append(all, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text))))...)
	}
	if _, err := c.Conn.Write(all); err != nil {
		t.Fatal(err)
	}
}

// answers reads so many replies, which must come in the order of the commands.
func answers(t *testing.T, c *client, n int) {
	t.Helper()
	for i := 0; i < n; {
		_, p, err := c.read()
		if err != nil {
			t.Fatalf("reply %d: %v", i, err)
		}
		for line := range strings.SplitSeq(string(p), "\n") {
			if !strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, i+10)) || strings.Contains(line, `"error"`) {
				t.Fatalf("reply %d: %.100s", i, line)
			}
			i++
		}
	}
}

// However many commands with large replies a client sends, in one message or in many, a
// turn answers one of them, and the next turn is in the background; without any rates,
// too. All are answered, in their order. A message that costs little ends that.
func TestTurnEndsWithALargeReply(t *testing.T) {
	const many = 20
	for name, send := range map[string]func(t *testing.T, c *client){
		"one message": func(t *testing.T, c *client) {
			c.sendWhole(t, numbered(many, readLarge))
		},
		"many messages": func(t *testing.T, c *client) {
			c.sendWhole(t, strings.Split(numbered(many, readLarge), "\n")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, h := startTurns(t, nil, nil)
			c := n.as(t, attacker, "ann")
			h.since(t, 1)
			send(t, c)
			answers(t, c, many)
			for i, p := range h.since(t, many) {
				if p.readings > 1 || p.readings == 1 && !p.behind {
					t.Errorf("part %d: %d readings, behind: %v", i, p.readings, p.behind)
				}
			}
			c.sendWhole(t, numbered(1, `"ping":{}`))
			answers(t, c, 1)
			if p := h.since(t, 1)[0]; p.behind {
				t.Error("a ping is followed by the background")
			}
		})
	}
}

// Once a part of the budget of recovered bytes is used, a connection waits in the
// background before it is read to; the others of its user, or of its address if nobody
// has a token, do so, too, with their first such command. Others do not.
func TestReadersWaitBehind(t *testing.T) {
	for _, c := range []struct {
		payer  string
		change func(*room.Config)
		user   string
		waits  bool // another connection of the payer
	}{
		{"connection", func(c *room.Config) { c.Rates.Recovered = slow(cost.TurnReplies * cost.ReadsMuch) }, "ann", false},
		{"user", func(c *room.Config) { c.UserRates.Recovered = slow(cost.TurnReplies * cost.ReadsMuch) }, "ann", true},
		{"address", func(c *room.Config) { c.UserRates.Recovered = slow(cost.TurnReplies * cost.ReadsMuch / 4) }, "", true},
		{"no bounds", func(*room.Config) {}, "ann", false},
	} {
		for _, command := range []string{readLarge, recoverLarge, `"presence":{"channel":"large"}`} {
			t.Run(c.payer+" "+strings.Split(command, ":")[0], func(t *testing.T) {
				n, h := startTurns(t, c.change, nil)
				first, second, other := n.as(t, attacker, c.user), n.as(t, attacker, c.user), n.as(t, bystanding, "bob")
				h.since(t, 3)
				first.sendWhole(t, numbered(2, readLarge))
				answers(t, first, 2)
				h.since(t, 2)
				for who, waits := range map[*client]bool{second: c.waits, other: false} {
					who.sendWhole(t, numbered(1, command))
					answers(t, who, 1)
					if parts := h.since(t, 1); (len(parts) == 2 && parts[0] == part{0, true}) != waits {
						t.Errorf("%+v; it waits behind first: want %v", parts, waits)
					}
				}
				n.as(t, attacker, c.user)
				if parts := h.since(t, 1); parts[0].behind != c.waits {
					t.Errorf("who comes then is behind: %v, want %v", parts[0].behind, c.waits)
				}
			})
		}
	}
}

// Commands that only read are dropped once the client has hung up, before they read
// anything; what it said before is said.
func TestNobodyReads(t *testing.T) {
	hungUp := make(chan struct{})
	n, h := startTurns(t, nil, func(message []byte) {
		if bytes.Contains(message, []byte("history")) {
			<-hungUp
		}
	})
	c := n.as(t, attacker, "ann")
	c.sendWhole(t, numbered(5, readLarge), numbered(5, readLarge), numbered(1, recoverLarge),
		numbered(1, `"rpc":{"method":"messages","data":{}}`), numbered(1, `"publish":{"channel":"large","data":"last"}`))
	if err := c.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Conn.Close()
	close(hungUp)
	wstest.Eventually(t, "the last message is said", func() bool {
		var top engine.Position
		h.engine.Engine.History("large", engine.Span{}, func(got engine.History, _ error) { top = got.Top })
		return top.Offset == 11
	})
	if got := h.engine.n.Load(); got != 1 {
		t.Errorf("%d histories were read for a client that was gone, want the first only", got)
	}
}
