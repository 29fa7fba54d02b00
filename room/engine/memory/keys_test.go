package memory

import (
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// The engine remembers a key for its window, for its room and its content. If there are too many keys,
// it forgets the oldest one.
func TestKeys(t *testing.T) {
	now := time.Unix(1000, 0)
	m := New(Limits{KeyWindow: time.Minute, MaxKeys: 3, Now: func() time.Time { return now }})
	publish := func(room, key, data string) (uint64, error) {
		var pos engine.Position
		var failed error
		m.Publish(room, engine.Message{Op: ws.OpText, Data: []byte(data), Key: key}, func(p engine.Position, err error) { pos, failed = p, err })
		return pos.Offset, failed
	}
	seen := map[string]bool{}
	for i, c := range []struct {
		after           time.Duration
		room, key, data string
		want            uint64 // 0: refused
	}{
		{0, "a", "k", "x", 1},
		{0, "a", "k", "x", 1},
		{0, "a", "k", "y", 0},
		{0, "a", "", "x", 2}, // no key at all
		{0, "a", "", "x", 3},
		{0, "b", "k", "y", 1},
		{59 * time.Second, "a", "k", "x", 1},
		{time.Second, "a", "k", "y", 4}, // the window is over
		{0, "a", "l", "x", 5},
		{0, "a", "m", "x", 6},
		{0, "a", "l", "x", 5},
		{0, "a", "n", "x", 7}, // k is forgotten
		{0, "a", "l", "x", 5},
		{0, "a", "k", "z", 8},
		{0, "a", "l", "x", 9}, // and now l is
	} {
		now = now.Add(c.after)
		got, err := publish(c.room, c.key, c.data)
		var want error
		if place := fmt.Sprint(c.room, c.want); c.want == 0 {
			want = engine.ErrKeyReused
		} else if seen[place] {
			want = engine.ErrRepeated
		} else {
			seen[place] = true
		}
		if got != c.want || err != want {
			t.Errorf("%d: %+v: %d, %v; want %v", i, c, got, err, want)
		}
	}
	now = now.Add(time.Hour)
	m.Expire()
	if n := m.keys.Len(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// The engine remembers the position of a message that skips the history, and counts only the few
// bytes of that. A removed history counts nothing.
func TestMemoryOfWhatIsNotKept(t *testing.T) {
	m := New(Limits{})
	for i := range 10 {
		m.Publish("r", engine.Message{Op: ws.OpText, Data: fmt.Append(nil, i), Skip: i%2 == 1, Tags: map[string]string{"a": "b"}}, nil)
	}
	var h engine.History
	m.History("r", engine.Span{Limit: -1, Places: true}, func(got engine.History, _ error) { h = got })
	if len(h.Publications) != 10 {
		t.Fatalf("%d are remembered", len(h.Publications))
	}
	for i, p := range h.Publications {
		if p.Prev != uint64(i) || p.Skip != (i%2 == 1) || p.Skip && (p.Data != nil || p.Tags != nil) {
			t.Errorf("%d: %+v", i, p)
		}
	}
	before := m.Stats().Bytes
	m.RemoveHistory("r", func(error) {})
	if left := m.Stats().Bytes; left != topicCost || before <= left {
		t.Errorf("%d bytes of %d are left", left, before)
	}
}
