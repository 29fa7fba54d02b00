package jetstream

import (
	"fmt"
	"slices"
	"testing"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/roomlog"
)

// TestEventsTakeNoPlaceFromMessages reads the oldest messages of a room with many events among them, in which
// the number of messages is limited.
func TestEventsTakeNoPlaceFromMessages(t *testing.T) {
	const kept, said = roomlog.MaxRecent + 40, roomlog.MaxRecent + 60
	keep := engine.Retention{Messages: kept, Bytes: 1 << 30}
	e := open(t, startServer(t), Config{Keep: func(string) engine.Retention { return keep }})
	var offsets []uint64
	say := func(n, events int) {
		t.Helper()
		for range n {
			got := publish(t, e, "r", text(fmt.Sprint(len(offsets))))
			if got.err != nil {
				t.Fatal(got.err)
			}
			offsets = append(offsets, got.pos.Offset)
			for i := range events {
				publish(t, e, "r", engine.Message{Op: engine.OpJSON, Data: []byte("{}"), CompactKey: fmt.Sprint(i)})
			}
		}
	}
	check := func() {
		t.Helper()
		first := offsets[len(offsets)-kept]
		for _, newest := range []bool{false, true} {
			part := engine.Span{Before: offsets[len(offsets)-kept+10], Limit: 100, Newest: newest}
			n := 0
			for _, p := range history(t, e, "r", part).Publications {
				if p.CompactKey != "" {
					continue
				}
				if n++; p.Offset < first {
					t.Errorf("newest first %v: it has the message at %d, and the room keeps those from %d on", newest, p.Offset, first)
				}
			}
			if n != 10 {
				t.Errorf("newest first %v: %d messages from %d up to %d, want 10", newest, n, first, part.Before)
			}
		}
	}
	say(said, 3)
	check()
	say(5, 200) // the count goes on from where it was
	check()
	// A room that keeps few messages has them behind more events than a scan reads.
	keep.Messages = 10
	say(1, roomlog.MaxScan+10)
	all := history(t, e, "r", engine.Span{Limit: -1}).Publications
	i := slices.IndexFunc(all, func(p engine.Publication) bool { return p.CompactKey == "" })
	if i < 0 || all[i].Offset != offsets[len(offsets)-keep.Messages] {
		t.Errorf("message %d of %d is the first, and the room keeps messages from %d on", i, len(all), offsets[len(offsets)-keep.Messages])
	}
}
