package room

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// announce publishes an event.
func announce(m *Memory, room, key, data string) (pos Position) {
	m.Publish(room, Message{Op: ws.OpText, Data: []byte(data), CompactKey: key}, func(p Position, err error) { pos = p })
	return pos
}

// TestEventsEvictNoMessage: however many events come, of one user or of many, the
// messages stay; and however many messages come, they stay within their bounds.
func TestEventsEvictNoMessage(t *testing.T) {
	for name, key := range map[string]func(i int) string{
		"one user":    func(int) string { return "roster ann" },
		"many users":  func(i int) string { return fmt.Sprint("roster ", i) },
		"large names": func(i int) string { return fmt.Sprint(i, strings.Repeat("n", 200)) },
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newTestMemory(Limits{MaxMessages: 60, MaxBytes: 4000})
			for i := range 60 {
				publish(t, m, "r", fmt.Appendf(nil, "announcement %d", i))
				announce(m, "r", key(i), "{}")
			}
			for i := range 1000 {
				announce(m, "r", key(i), strings.Repeat("x", 20))
			}
			said, told := 0, 0
			for _, p := range history(t, m, "r", Span{Limit: -1}).Publications {
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
			if n := len(m.topics.get("r").past.live()); n > 3*60 {
				t.Errorf("%d entries are held", n)
			}
			if name == "one user" { // what was superseded is not missed
				top := Position{m.topics.get("r").epoch, m.topics.get("r").offset}
				j := &joining{wanted: &wanted{since: &Position{top.Epoch, 120}}, history: history(t, m, "r", Span{Behind: 120, Limit: -1, Places: true})}
				if got := j.outcome(top); !got.recovered || len(got.missed) != 1 {
					t.Errorf("recovered: %v, with %d publications", got.recovered, len(got.missed))
				}
			}
			for i := range 200 {
				publish(t, m, "r", fmt.Appendf(nil, "%d", i))
			}
			if h := history(t, m, "r", Span{Limit: -1}); len(h.Publications) != 60 {
				t.Errorf("%d messages are remembered", len(h.Publications))
			}
		})
	}
}

// TestSkippedEvictNoMessage: what is not for the history takes no message's place there,
// and a member that missed only that has recovered.
func TestSkippedEvictNoMessage(t *testing.T) {
	m, _ := newTestMemory(Limits{MaxMessages: 60})
	skip := func() {
		m.Publish("r", Message{Op: ws.OpText, Data: []byte("not for the history"), Skip: true}, func(Position, error) {})
	}
	for i := range 60 {
		publish(t, m, "r", fmt.Appendf(nil, "announcement %d", i))
		skip()
	}
	for range 1000 {
		skip()
	}
	h := history(t, m, "r", Span{Limit: -1})
	if n := len(h.Publications); n != 60 {
		t.Fatalf("%d of 60 announcements are left", n)
	}
	if n := len(m.topics.get("r").past.live()); n > 3*60 {
		t.Errorf("%d entries are held", n)
	}
	first := h.Publications[0].Offset
	j := &joining{wanted: &wanted{since: &Position{h.Top.Epoch, first}}, history: history(t, m, "r", Span{Behind: first, Limit: -1, Places: true})}
	if got := j.outcome(h.Top); !got.recovered {
		t.Error("a member that missed the rest of it does not recover")
	}
}

// TestRapidEvents: a member that recovers from wherever it was either learns that it
// could not, or has each message that it missed and of each key the last event.
func TestRapidEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, clock := newTestMemory(Limits{
			MaxMessages: rapid.SampledFrom([]int{1, 3, 8, 100}).Draw(t, "messages"),
			MaxBytes:    rapid.SampledFrom([]int{500, 1 << 20}).Draw(t, "bytes"),
			MaxAge:      time.Minute,
		})
		var all []Publication
		var top Position
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"", "", "a", "b", "c", "d", "e", "f"}).Draw(t, "key")
			switch rapid.IntRange(0, 10).Draw(t, "step") {
			case 0:
				clock.advance(time.Duration(rapid.IntRange(1, 30).Draw(t, "seconds")) * time.Second)
			case 1:
				if key != "" { // a message is taken back
					continue
				}
				m.Redact("r", []uint64{uint64(rapid.IntRange(1, len(all)+1).Draw(t, "offset"))}, func(error) {})
			case 2: // what nobody misses
				m.Publish("r", Message{Op: ws.OpText, Data: []byte("x"), Skip: true}, func(p Position, err error) { top = p })
				all = append(all, Publication{Message: Message{Skip: true}, Offset: top.Offset})
			default:
				top = announce(m, "r", key, fmt.Sprint(len(all)))
				all = append(all, Publication{Message: Message{CompactKey: key}, Offset: top.Offset})
			}
		}
		total := 0
		for since := uint64(0); since <= top.Offset; since++ {
			h := history(t, m, "r", Span{Behind: since, Limit: -1, Places: true})
			j := &joining{wanted: &wanted{since: &Position{top.Epoch, since}}, history: h}
			got := j.outcome(top)
			if !got.recovered {
				continue
			}
			total++
			have, last := map[uint64]bool{}, since
			for _, p := range got.missed {
				if p.Offset <= last {
					t.Fatalf("since %d: %d comes behind %d", since, p.Offset, last)
				}
				have[p.Offset], last = true, p.Offset
			}
			latest := map[string]uint64{}
			for _, p := range all[since:] {
				if p.CompactKey == "" && !p.Skip && !have[p.Offset] {
					t.Fatalf("since %d: the message %d is missing of %v, and it is told that it has recovered", since, p.Offset, got.missed)
				}
				latest[p.CompactKey] = p.Offset
			}
			for key, offset := range latest {
				if key != "" && !have[offset] {
					t.Fatalf("since %d: the last event %q at %d is missing of %v", since, key, offset, got.missed)
				}
			}
		}
		if top.Offset > 0 && total == 0 {
			t.Fatal("not even who has all recovers")
		}
		m.RemoveHistory("r", func(error) {})
		if topic := m.topics.get("r"); topic != nil && topic.past != nil {
			t.Fatalf("without a history %+v is held", topic.past)
		}
		if topic := m.topics.get("r"); topic != nil && m.pool.Used() != topicCost {
			t.Fatalf("without a history %d bytes are counted", m.pool.Used())
		}
	})
}
