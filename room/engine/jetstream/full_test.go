package jetstream

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/natstest"
)

// TestFullStore checks that in a full store only the log stops: bans, deletions and removals are stored, and what is
// there can be read.
func TestFullStore(t *testing.T) {
	s := natstest.StartWith(t, embedded.Config{Dir: t.TempDir(), MaxStore: 4 << 20})
	e := openWith(t, Config{Keep: always, Connect: s.Connect, Full: s.Full})
	large := text(strings.Repeat("x", 256<<10))
	large.From = &engine.Author{User: "ann", Client: "1"}
	first := publish(t, e, "r", large)
	for last := first; !errors.Is(last.err, engine.ErrStoreFull); last = publish(t, e, "r", large) {
		if last.err != nil {
			t.Fatal(last.err)
		}
		if last.pos.Offset > 10_000 {
			t.Fatal("the store is never full")
		}
	}
	if _, err := put(t, e, engine.Entry{Key: engine.Key{Table: engine.TableBan, Name: "bob"}, Value: []byte("{}")}); err != nil {
		t.Errorf("a ban: %v", err)
	}
	redact(t, e, "r", first.pos.Offset)
	if h := history(t, e, "r", engine.Span{Limit: 10}); len(h.Publications) == 0 || !h.Publications[0].Redacted() {
		t.Errorf("the history after a deletion: %+v", h)
	}
	erase(t, e, "ann")
	removed := make(chan error, 1)
	e.RemoveHistory("r", func(err error) { removed <- err })
	if err := receive(t, removed); err != nil {
		t.Errorf("removing a history: %v", err)
	}
	wstest.Eventually(t, "there is space again", func() bool { return !s.Full() })
	if again := publish(t, e, "r", large); again.err != nil {
		t.Errorf("with space again: %v", again.err)
	}
}

// TestFailedStore checks that nothing is written while the store has failed, that each write gets an error at once, and that
// everything can be read.
func TestFailedStore(t *testing.T) {
	var failed atomic.Bool
	e := open(t, startServer(t), Config{Keep: always, Err: func() error {
		if failed.Load() {
			return errors.New("no space left")
		}
		return nil
	}})
	first := publish(t, e, "r", text("before"))
	failed.Store(true)
	if got := publish(t, e, "r", text("in vain")); !errors.Is(got.err, engine.ErrUnavailable) {
		t.Errorf("a message: %v", got.err)
	}
	key := engine.Key{Table: engine.TableBan, Name: "bob"}
	if _, err := put(t, e, engine.Entry{Key: key, Value: []byte("{}")}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("a ban: %v", err)
	}
	for what, write := range map[string]func(done func(error)){
		"a deleted entry":   func(done func(error)) { e.Delete(key, engine.AnyVersion, done) },
		"a deleted message": func(done func(error)) { e.Redact("r", []uint64{first.pos.Offset}, done) },
		"a removed history": func(done func(error)) { e.RemoveHistory("r", done) },
		"an erased user":    func(done func(error)) { e.Erase("ann", done) },
	} {
		c := make(chan error, 1)
		write(func(err error) { c <- err })
		if err := receive(t, c); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if h := history(t, e, "r", engine.Span{Limit: 10}); len(h.Publications) != 1 {
		t.Errorf("the history is %+v", h)
	}
	if ok, why := e.Health(); ok || why != "no space left" {
		t.Errorf("healthy: %v, %q", ok, why)
	}
	failed.Store(false)
	if got := publish(t, e, "r", text("after")); got.err != nil {
		t.Errorf("a message after that: %v", got.err)
	}
	if ok, why := e.Health(); !ok {
		t.Errorf("not healthy: %s", why)
	}
}

// TestFullLogIsProved removes and exports a history whose log is full, so that it takes no marker: that works, and costs no space. If the
// leader of the log cannot be proved either, nothing is believed.
func TestFullLogIsProved(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	for _, room := range []string{"r", "s"} {
		publish(t, e, room, text("text of "+room))
	}
	full := e.stream(e.class("r")).CachedInfo().Config
	full.MaxMsgs = 2
	deny := func(deletes bool) {
		t.Helper()
		full.DenyDelete = deletes // as if no leader answered
		if _, err := e.js.UpdateStream(t.Context(), full); err != nil {
			t.Fatal(err)
		}
	}
	works := func(room string) error {
		removed := make(chan error, 1)
		e.RemoveHistory(room, func(err error) { removed <- err })
		err := e.ExportRooms(t.Context(), "unknown", func(string, engine.Publication) error { return nil })
		return errors.Join(receive(t, removed), err)
	}
	deny(false)
	if err := works("r"); err != nil {
		t.Errorf("in a full log: %v", err)
	}
	full.MaxMsgs = 1 // the history that was removed is overwritten
	deny(true)
	if err := works("s"); !errors.Is(err, engine.ErrUnavailable) || strings.Count(err.Error(), "not permitted") != 2 {
		t.Errorf("without a proof: %v", err)
	}
}
