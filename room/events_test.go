package room

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
)

// TestRecoveryIgnoresSuperseded checks that a member that missed a thousand events with one key
// gets the last one, and has recovered.
func TestRecoveryIgnoresSuperseded(t *testing.T) {
	m := memory.New(memory.Limits{MaxMessages: 60, MaxBytes: 4000})
	for i := range 60 {
		enginetest.Publish(t, m, "r", fmt.Appendf(nil, "announcement %d", i))
		enginetest.Announce(t, m, "r", "roster ann", "{}")
	}
	for range 1000 {
		enginetest.Announce(t, m, "r", "roster ann", strings.Repeat("x", 20))
	}
	h := enginetest.History(t, m, "r", engine.Span{Behind: 120, Limit: -1, Places: true})
	j := &PendingJoin{Since: &engine.Position{Epoch: h.Top.Epoch, Offset: 120}, history: h}
	if got := j.recovery(h.Top); !got.Recovered || len(got.Missed) != 1 {
		t.Errorf("recovered: %v, with %d publications", got.Recovered, len(got.Missed))
	}
}

// TestRecoveryIgnoresSkipped checks that a member that missed only messages that are not for the
// history has recovered.
func TestRecoveryIgnoresSkipped(t *testing.T) {
	m := memory.New(memory.Limits{MaxMessages: 60})
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
	first := enginetest.History(t, m, "r", engine.Span{Limit: -1}).Publications[0].Offset
	h := enginetest.History(t, m, "r", engine.Span{Behind: first, Limit: -1, Places: true})
	j := &PendingJoin{Since: &engine.Position{Epoch: h.Top.Epoch, Offset: first}, history: h}
	if got := j.recovery(h.Top); !got.Recovered {
		t.Error("a member that missed the rest of it does not recover")
	}
}

// TestRapidEvents checks that a member that recovers from any position either learns that it
// could not, or gets each message that it missed, and the last event of each key.
func TestRapidEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := new(enginetest.Clock)
		m := memory.New(memory.Limits{
			Now:         clock.Now,
			MaxMessages: rapid.SampledFrom([]int{1, 3, 8, 100}).Draw(t, "messages"),
			MaxBytes:    rapid.SampledFrom([]int{500, 1 << 20}).Draw(t, "bytes"),
			MaxAge:      time.Minute,
		})
		var all []engine.Publication
		var top engine.Position
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"", "", "a", "b", "c", "d", "e", "f"}).Draw(t, "key")
			switch rapid.IntRange(0, 10).Draw(t, "step") {
			case 0:
				clock.Advance(time.Duration(rapid.IntRange(1, 30).Draw(t, "seconds")) * time.Second)
			case 1:
				if key != "" { // a message is taken back
					continue
				}
				m.Redact("r", []uint64{uint64(rapid.IntRange(1, len(all)+1).Draw(t, "offset"))}, func(error) {})
			case 2: // it is not for the history
				m.Publish("r", engine.Message{Op: ws.OpText, Data: []byte("x"), Skip: true}, func(p engine.Position, err error) { top = p })
				all = append(all, engine.Publication{Message: engine.Message{Skip: true}, Offset: top.Offset})
			default:
				top = enginetest.Announce(t, m, "r", key, fmt.Sprint(len(all)))
				all = append(all, engine.Publication{Message: engine.Message{CompactKey: key}, Offset: top.Offset})
			}
		}
		total := 0
		for since := uint64(0); since <= top.Offset; since++ {
			h := enginetest.History(t, m, "r", engine.Span{Behind: since, Limit: -1, Places: true})
			j := &PendingJoin{Since: &engine.Position{Epoch: top.Epoch, Offset: since}, history: h}
			got := j.recovery(top)
			if !got.Recovered {
				continue
			}
			total++
			have, last := map[uint64]bool{}, since
			for _, p := range got.Missed {
				if p.Offset <= last {
					t.Fatalf("since %d: %d comes behind %d", since, p.Offset, last)
				}
				have[p.Offset], last = true, p.Offset
			}
			latest := map[string]uint64{}
			for _, p := range all[since:] {
				if p.CompactKey == "" && !p.Skip && !have[p.Offset] {
					t.Fatalf("since %d: the message %d is missing of %v, and it is told that it has recovered", since, p.Offset, got.Missed)
				}
				latest[p.CompactKey] = p.Offset
			}
			for key, offset := range latest {
				if key != "" && !have[offset] {
					t.Fatalf("since %d: the last event %q at %d is missing of %v", since, key, offset, got.Missed)
				}
			}
		}
		if top.Offset > 0 && total == 0 {
			t.Fatal("not even a client that missed nothing recovers")
		}
		m.RemoveHistory("r", func(error) {})
		if held := m.Stats().Bytes; top.Offset > 0 && held != emptyRoom(t) {
			t.Fatalf("without a history %d bytes are counted", held)
		}
	})
}

// emptyRoom returns how many bytes the memory engine counts for a room without a history.
func emptyRoom(t rapid.TB) int64 {
	m := memory.New(memory.Limits{MaxMessages: -1})
	enginetest.Announce(t, m, "r", "", "")
	return m.Stats().Bytes
}
