package memory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"webim/room/engine"
	"webim/room/engine/enginetest"
)

// TestEventsEvictNoMessage checks that no number of events, of one user or of many, evicts a message, and
// that any number of messages stays within its limits.
func TestEventsEvictNoMessage(t *testing.T) {
	for name, key := range map[string]func(i int) string{
		"one user":    func(int) string { return "roster ann" },
		"many users":  func(i int) string { return fmt.Sprint("roster ", i) },
		"large names": func(i int) string { return fmt.Sprint(i, strings.Repeat("n", 200)) },
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newTestMemory(Limits{MaxMessages: 60, MaxBytes: 4000})
			for i := range 60 {
				enginetest.Publish(t, m, "r", fmt.Appendf(nil, "announcement %d", i))
				enginetest.Announce(t, m, "r", key(i), "{}")
			}
			for i := range 1000 {
				enginetest.Announce(t, m, "r", key(i), strings.Repeat("x", 20))
			}
			said, told := 0, 0
			for _, p := range enginetest.History(t, m, "r", engine.Span{Limit: -1}).Publications {
				if p.CompactKey == "" {
					said++
				} else {
					told++
				}
			}
			if said != 60 {
				t.Errorf("%d of 60 announcements are left", said)
			}
			if told == 0 || told > 60 || name == "one user" && told != 1 {
				t.Errorf("%d events are remembered", told)
			}
			if n := m.topics.Get("r").journal.Len(); n > 3*60 {
				t.Errorf("%d entries are held", n)
			}
			for i := range 200 {
				enginetest.Publish(t, m, "r", fmt.Appendf(nil, "%d", i))
			}
			if h := enginetest.History(t, m, "r", engine.Span{Limit: -1}); len(h.Publications) != 60 {
				t.Errorf("%d messages are remembered", len(h.Publications))
			}
		})
	}
}

// TestSkippedEvictNoMessage checks that a message that skips the history evicts no other message.
func TestSkippedEvictNoMessage(t *testing.T) {
	m, _ := newTestMemory(Limits{MaxMessages: 60})
	skip := func() {
		m.Publish("r", engine.Message{Op: ws.OpText, Data: []byte("not for the history"), Skip: true}, func(engine.Position, error) {})
	}
	for i := range 60 {
		enginetest.Publish(t, m, "r", fmt.Appendf(nil, "announcement %d", i))
		skip()
	}
	for range 1000 {
		skip()
	}
	h := enginetest.History(t, m, "r", engine.Span{Limit: -1})
	if n := len(h.Publications); n != 60 {
		t.Fatalf("%d of 60 announcements are left", n)
	}
	if n := m.topics.Get("r").journal.Len(); n > 3*60 {
		t.Errorf("%d entries are held", n)
	}
}
