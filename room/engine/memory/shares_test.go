package memory

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
)

var (
	filler = budget.User("filler")
	other  = budget.User("other")
)

// TestHistoriesShares checks that a payer that fills the histories, in any way, loses its own and not
// those of rooms of others.
func TestHistoriesShares(t *testing.T) {
	say := func(m *Engine, payer budget.Owner, room string, n int) {
		m.Publish(room, engine.Message{Op: ws.OpText, Data: []byte(strings.Repeat("x", n)), Payer: payer}, nil)
	}
	for name, fill := range map[string]func(m *Engine){
		"rooms of its own": func(m *Engine) {
			for i := range 3000 {
				say(m, filler, fmt.Sprint("own ", i%50), 1000)
			}
		},
		"one message in each of many rooms": func(m *Engine) {
			for i := range 3000 {
				say(m, filler, fmt.Sprint("own ", i), 1000)
			}
		},
		"notices to users who are not here": func(m *Engine) {
			for i := range 3000 {
				say(m, filler, fmt.Sprint("#stranger ", i), 10)
			}
		},
		"rooms that it subscribes to": func(m *Engine) {
			for i := range 3000 {
				m.Subscribe(fmt.Sprint("own ", i), filler, new(enginetest.Recorder))
				m.History(fmt.Sprint("own ", i), engine.Span{}, func(engine.History, error) {})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newTestMemory(Limits{MaxTotal: 1 << 20, MaxBytes: 64 << 10})
			for i := range 20 { // longest without use, with and without members
				room := fmt.Sprint("room ", i)
				if i%2 == 0 {
					m.Subscribe(room, other, new(enginetest.Recorder))
				}
				say(m, other, room, 300)
			}
			fill(m)
			for i := range 20 {
				if h := enginetest.History(t, m, fmt.Sprint("room ", i), engine.Span{Limit: -1}); len(h.Publications) != 1 {
					t.Errorf("room %d remembers %d messages", i, len(h.Publications))
				}
			}
			if st := m.Stats(); st.Bytes > 1<<20 && name != "rooms that it subscribes to" { // those have members, and last as long
				t.Errorf("%d bytes are held", st.Bytes)
			}
		})
	}
}

// TestKeysShares checks that a user who floods the engine with idempotency keys loses only its own.
func TestKeysShares(t *testing.T) {
	for name, payer := range map[string]func(i int) budget.Owner{
		"a user":     func(int) budget.Owner { return filler },
		"an address": func(int) budget.Owner { return budget.Addr(netip.MustParseAddr("192.0.2.7")) },
		"thirty users": func(i int) budget.Owner { // of two thousand keys each
			return budget.User(fmt.Sprint("filler ", i%30))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := New(Limits{MaxKeys: 1000})
			send := func(payer budget.Owner, key string) (err error) {
				m.Publish("r", engine.Message{Op: ws.OpText, Data: []byte("x"), Key: key, Payer: payer}, func(_ engine.Position, e error) { err = e })
				return err
			}
			if err := send(other, "mine"); err != nil {
				t.Fatal(err)
			}
			for i := range 5000 {
				if err := send(payer(i), fmt.Sprint("key ", i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := send(other, "mine"); err != engine.ErrRepeated {
				t.Errorf("the other user's message is published again: %v", err)
			}
			if n := m.keys.Len(); n != 1000 {
				t.Errorf("%d keys are kept, of a thousand", n)
			}
			m.keys.Expire(time.Now().Add(time.Hour))
			if n := m.keys.Len(); n > 0 {
				t.Errorf("%d keys outlive their time", n)
			}
		})
	}
}
