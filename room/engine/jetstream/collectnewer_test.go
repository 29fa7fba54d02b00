package jetstream

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/keyuse"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/stubs"
)

// storeOfNewer stores a message as a newer webim does, and returns its sequence.
func storeOfNewer(t testing.TB, e *Engine, room string) uint64 {
	t.Helper()
	stored, err := e.js.Publish(t.Context(), e.class(room).Room(room), []byte{envelope.Version + 1, 0, 0})
	if err != nil {
		t.Fatal(err)
	}
	return stored.Sequence
}

// TestCollectBesideNewer removes no key while the store has messages of a newer webim, which may need any: neither if they were
// there before, nor if one comes when keys have been named, nor if it is a stub. The log says where they are.
func TestCollectBesideNewer(t *testing.T) {
	s := startServer(t)
	var at string
	var then func()
	cfg := collecting(func(_ *Engine, name string) error {
		if name == at {
			then()
		}
		return nil
	})
	var log wstest.Log
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	a := open(t, s, cfg)
	publish(t, a, "of ann", said("ann", "x"))
	expire(t, a, "of ann", 0)
	publish(t, a, "of bob", said("bob", "x"))
	var first uint64 // the sequence of the first one
	collect := func(n int, stream string) {
		t.Helper()
		a.unused.stored.Store(1)
		err := a.collect()
		want := fmt.Sprintf(": the stream %s has %d, and the first has the sequence %d;", stream, n, first)
		if !errors.Is(err, keyuse.ErrNewer) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want: %s", err, want)
		}
		if r, _, _, _ := a.unused.view.Round(); r.Phase != retire.Idle {
			t.Errorf("the phase is %v", r.Phase)
		}
		wantUsers(t, a, "ann bob")
	}
	first = storeOfNewer(t, a, "newer")
	storeOfNewer(t, a, "newer")
	collect(2, ever)
	a.unused.stored.Store(1)
	a.collectKeys()
	if all := log.String(); !strings.Contains(all, "unused keys of users cannot be removed") || !strings.Contains(all, "has 2, and") {
		t.Errorf("the log has\n%s", all)
	}
	expire(t, a, "newer", 0)
	for _, at = range []string{"naming", "look again"} {
		then = func() { first = storeOfNewer(t, a, "newer") }
		collect(1, ever)
		expire(t, a, "newer", 0)
	}
	at = ""
	stub := engine.Entry{Key: stubs.Key(a.class("r").Class, "r", 7), Value: []byte{envelope.Version + 1, 0, 0}}
	var err error
	if first, err = put(t, a, stub); err != nil {
		t.Fatal(err)
	}
	collect(1, "STATE")
	if err := a.wait(func(done func(error)) { a.Delete(stub.Key, first, done) }); err != nil {
		t.Fatal(err)
	}
	collectNow(t, a)
	wantUsers(t, a, "bob")
}

// TestNewerEndsTheReading has messages of a newer webim in two streams: the second one is not read, because no key is removed in
// any case.
func TestNewerEndsTheReading(t *testing.T) {
	s := startServer(t)
	cfg := collecting(nil)
	cfg.Keep = func(room string) engine.Retention {
		if room == "first" {
			return engine.Retention{Messages: 100, Bytes: 1 << 20, Age: time.Hour}
		}
		return always(room)
	}
	a := open(t, s, cfg)
	for _, room := range []string{"first", "second"} {
		publish(t, a, room, said("ann", "x"))
		storeOfNewer(t, a, room)
	}
	first, second := a.class("first").Stream, a.class("second").Stream
	if first >= second {
		t.Fatalf("%s is read after %s", first, second)
	}
	nc, err := s.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	consumers, err := nc.SubscribeSync("$JS.API.CONSUMER.CREATE.>")
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	a.unused.stored.Store(1)
	if err := a.collect(); !errors.Is(err, keyuse.ErrNewer) || !strings.Contains(err.Error(), first+" has 1,") {
		t.Error(err)
	}
	if err := nc.Flush(); err != nil { // then all of its requests have come
		t.Fatal(err)
	}
	read := map[string]bool{}
	for {
		m, err := consumers.NextMsg(0)
		if err != nil {
			break // these were all
		}
		read[strings.Split(m.Subject, ".")[4]] = true
	}
	if !read[first] || read[second] {
		t.Errorf("these streams were read: %v", read)
	}
}
