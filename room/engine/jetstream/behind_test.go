package jetstream

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/logread"
)

// TestServerBehind reads histories while a third of all reads are answered by a server that has nothing of the log. A history
// may fail, but it has no holes.
func TestServerBehind(t *testing.T) {
	s := startServer(t)
	var behind atomic.Bool
	var asked atomic.Int64
	e := open(t, s, Config{Keep: always, empty: func() bool { return behind.Load() && asked.Add(1)%3 == 0 }})
	subscribe(t, e, "r")
	const n = 12
	for i := range n {
		if got := publish(t, e, "r", text(fmt.Sprint(i))); got.err != nil {
			t.Fatal(got.err)
		}
		if got := publish(t, e, "other", text(fmt.Sprint(i))); got.err != nil {
			t.Fatal(got.err)
		}
	}
	behind.Store(true)
	read := 0
	for i := range 20 {
		e.topic("r").forgetRecent()
		span := engine.Span{Limit: -1, Behind: uint64(i % 7)}
		if i%2 == 0 {
			span.Newest, span.Before = true, n+uint64(i)
		}
		done := make(chan error, 1)
		var h engine.History
		e.History("r", span, func(is engine.History, err error) { h = is; done <- err })
		if err := <-done; errors.Is(err, engine.ErrUnavailable) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		read++
		want := 0
		for k := range n {
			if offset := uint64(2*k + 1); offset > span.Behind && (span.Before == 0 || offset < span.Before) {
				want++
			}
		}
		if len(h.Publications) != want || h.Top.Offset != 2*n-1 {
			t.Fatalf("%+v: %d publications up to %d, want %d up to %d", span, len(h.Publications), h.Top.Offset, want, 2*n-1)
		}
	}
	if read < 10 {
		t.Errorf("only %d histories of 20 could be read", read)
	}
}

// TestServerBehindDecidesNothing removes, counts and exports while all reads that any server may answer are answered by one that
// has nothing of the log: what is decided for good is decided by the leader.
func TestServerBehindDecidesNothing(t *testing.T) {
	s := startServer(t)
	var behind atomic.Bool
	e := open(t, s, Config{Keep: always, empty: behind.Load})
	other := open(t, s, Config{Keep: always}) // it does not know the keys of e
	var at []uint64
	for i := range 3 {
		m := text(fmt.Sprint("text ", i))
		m.Key = fmt.Sprint("key", i)
		got := publish(t, e, "r", m)
		if got.err != nil {
			t.Fatal(got.err)
		}
		at = append(at, got.pos.Offset)
		publish(t, e, "removed", text("text of a removed history"))
	}
	behind.Store(true)
	redact(t, e, "r", at[0])
	removeHistory(t, e, "removed")
	reused := text("another text")
	reused.Key = "key1"
	if got := publish(t, open(t, s, Config{Keep: always, empty: behind.Load}), "r", reused); !errors.Is(got.err, engine.ErrKeyReused) {
		t.Errorf("a key with another text: %+v", got)
	}
	var exported []string
	if err := e.ExportRooms(t.Context(), "r", func(_ string, p engine.Publication) error {
		exported = append(exported, string(p.Data))
		return nil
	}); err != nil || fmt.Sprint(exported) != "[text 1 text 2]" {
		t.Errorf("the export has %q, %v", exported, err)
	}
	if all := history(t, other, "r", engine.Span{Limit: -1}).Publications; len(all) != 3 || !all[0].Redacted() {
		t.Errorf("the room has %+v", all)
	}
	if all := history(t, other, "removed", engine.Span{Limit: -1}).Publications; len(all) != 0 {
		t.Errorf("the room without a history has %+v", all)
	}
	c := e.class("removed")
	wstest.Eventually(t, "the messages of the removed history are gone", func() bool {
		_, err := other.read.Last(t.Context(), c.Stream, c.Room("removed"))
		return errors.Is(err, logread.ErrNone)
	})
}

// TestCountWithAServerBehind counts the messages of a room while every third read is answered by a server that has nothing of the
// log: the count goes on.
func TestCountWithAServerBehind(t *testing.T) {
	s := startServer(t)
	var behind atomic.Bool
	var asked atomic.Int64
	e := open(t, s, Config{Keep: always, empty: func() bool { return behind.Load() && asked.Add(1)%3 == 0 }})
	var offsets []uint64
	for i := range 6 {
		offsets = append(offsets, publish(t, e, "r", text(fmt.Sprint(i))).pos.Offset)
	}
	at, err := e.logOf(e.class("r"), "r").Scan(&engine.Retention{Messages: 1, Bytes: 1 << 20}, math.MaxUint64, codec.Tip{})
	if err != nil {
		t.Fatal(err)
	}
	behind.Store(true)
	if first, err := at.Edge(2); err != nil || first != offsets[3]+1 {
		t.Errorf("the room keeps messages from %d on, %v; its last two are at %d", first, err, offsets[4:])
	}
}
