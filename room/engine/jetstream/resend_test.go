package jetstream

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/ids"
	"webim/room/engine/jetstream/internal/seal"
)

// askKnown calls Known.
func askKnown(t testing.TB, e *Engine, room string, m engine.Message) outcome {
	t.Helper()
	c := make(chan outcome, 1)
	e.Known(room, m, func(p engine.Position, err error) { c <- outcome{p, err} })
	return receive(t, c)
}

// keyed is a message of a user with a key.
func keyed(user, data, key string) engine.Message {
	m := said(user, data)
	m.Key = key
	return m
}

// dying returns a node whose messages come late to the server, and a function with which a message comes, is stored, and the node
// dies before it confirms it.
func dying(t *testing.T, l *late) (a *Engine, hold, die func()) {
	t.Helper()
	var mu sync.Mutex
	armed := false
	stored := make(chan struct{})
	cfg := collecting(nil)
	cfg.Connect = l.connect
	cfg.Commit = func(stream string, done func(error)) {
		mu.Lock()
		dies := armed && stream != "KEYS" && stream != "STATE"
		mu.Unlock()
		if !dies {
			done(nil)
			return
		}
		select {
		case <-stored:
		default:
			close(stored) // the node never hears that it is on the disk
		}
	}
	a = openWith(t, cfg)
	hold = func() {
		mu.Lock()
		armed = true
		mu.Unlock()
		l.mu.Lock()
		l.hold = true
		l.mu.Unlock()
	}
	free := sync.OnceFunc(func() { close(l.free) })
	t.Cleanup(free)
	die = sync.OnceFunc(func() {
		free()
		receive(t, stored)
		a.Close()
	})
	return a, hold, die
}

// TestSendAgainIsLogged stores a message again whose key is gone. The log says that it is stored when it is, and otherwise why not.
func TestSendAgainIsLogged(t *testing.T) {
	var log wstest.Log
	var fails atomic.Bool
	e := open(t, startServer(t), Config{Keep: always, Log: slog.New(slog.NewTextHandler(&log, nil)), Commit: func(stream string, done func(error)) {
		if stream == ever && fails.Load() {
			done(errors.New("the disk is broken"))
			return
		}
		done(nil)
	}})
	publish(t, e, "r", said("ann", "x")) // opens the room's class
	for _, outcome := range []string{"is stored again", "cannot be stored again"} {
		m, now := said("ann", "y"), e.now()
		env := codec.Encode(&m, now, 0, 0)
		var sealed sealing
		if err := e.wait(func(done func(error)) { e.seal("r", env, nil, func(s sealing, err error) { sealed = s; done(err) }) }); err != nil {
			t.Fatal(err)
		}
		failed := outcome != "is stored again"
		fails.Store(failed)
		err := e.wait(func(done func(error)) {
			e.sendAgain(e.class("r"), "r", m, env, sealed, "", func(_ engine.Position, err error) { done(err) }, nil)
		})
		all := log.Take()
		if (err != nil) != failed || strings.Count(all, "again") != 1 || !strings.Contains(all, outcome) || strings.Contains(all, "the disk is broken") != failed {
			t.Errorf("%v, and the log has\n%s", err, all)
		}
	}
}

// TestSentAgain sends a message again after its node has died between storing and confirming it, while its key is being removed.
// Nobody is told that the message is there if nobody can read it; it is stored once more, and only once, however often it is
// sent.
func TestSentAgain(t *testing.T) {
	for _, at := range []string{"scanning", "naming", "look again", "deleting", "delete", "idle", "end"} {
		t.Run(at, func(t *testing.T) {
			l := &late{natsServer: startServer(t), free: make(chan struct{}), held: make(chan struct{})}
			a, hold, die := dying(t, l)
			c, d := open(t, l.natsServer, collecting(nil)), open(t, l.natsServer, collecting(nil))
			m := keyed("ann", "late", "k")
			again := sync.OnceFunc(func() {
				die()
				known := askKnown(t, c, "r", m)
				got := publish(t, c, "r", m)
				if got.err != nil && got.err != engine.ErrRepeated || (known.err == nil) != (got.err == nil) {
					t.Errorf("sent again: %+v, known: %+v", got, known)
				}
				for _, third := range []outcome{askKnown(t, c, "r", m), askKnown(t, d, "r", m), publish(t, d, "r", m)} {
					if third.err != engine.ErrRepeated || third.pos != got.pos {
						t.Errorf("sent a third time: %+v, before: %+v", third, got)
					}
				}
				if other := publish(t, open(t, l.natsServer, Config{Keep: always}), "r", keyed("ann", "other", "k")); other.err != engine.ErrKeyReused {
					t.Errorf("another message with this key: %+v", other)
				}
			})
			b := open(t, l.natsServer, collecting(func(_ *Engine, name string) error {
				if name == at {
					again()
				}
				return nil
			}))
			publish(t, a, "r", said("ann", "x"))
			expire(t, a, "r", 0)
			hold()
			a.Publish("r", m, nil)
			<-l.held
			b.unused.stored.Store(1)
			if err := b.collect(); err != nil {
				t.Fatal(err)
			}
			again()
			for _, e := range []*Engine{b, c, d, open(t, l.natsServer, Config{Keep: always})} {
				h, err := readable(history(t, e, "r", engine.Span{Limit: -1}))
				if err != nil || strings.TrimPrefix(h, "- ") != "late" {
					t.Errorf("the room has %q, %v", h, err)
				}
			}
		})
	}
}

// TestSentAgainMeanwhile asks for a message while its key is being deleted: the node still finds the key, and stands still until
// the key is gone and the round over.
func TestSentAgainMeanwhile(t *testing.T) {
	l := &late{natsServer: startServer(t), free: make(chan struct{}), held: make(chan struct{})}
	probes := &late{natsServer: l.natsServer, what: "state.", free: make(chan struct{}), held: make(chan struct{})}
	a, hold, die := dying(t, l)
	cfg := collecting(nil)
	cfg.Connect = probes.connect
	c := openWith(t, cfg)
	m := keyed("ann", "late", "k")
	answer := make(chan outcome, 1)
	b := open(t, l.natsServer, collecting(func(_ *Engine, name string) error {
		if name == "delete" {
			die()
			probes.mu.Lock()
			probes.hold = true
			probes.mu.Unlock()
			c.Known("r", m, func(p engine.Position, err error) { answer <- outcome{p, err} })
			<-probes.held
		}
		return nil
	}))
	publish(t, a, "r", said("ann", "x"))
	expire(t, a, "r", 0)
	hold()
	a.Publish("r", m, nil)
	<-l.held
	b.unused.stored.Store(1)
	if err := b.collect(); err != nil {
		t.Fatal(err)
	}
	close(probes.free)
	if got := receive(t, answer); got.err != nil {
		t.Errorf("known: %+v", got)
	}
	if got := publish(t, c, "r", m); got.err != nil {
		t.Errorf("sent again: %+v", got)
	}
	for _, e := range []*Engine{b, c} {
		if err := checkReadable(t, e, "r", engine.Span{Limit: -1}, "- late"); err != nil {
			t.Error(err)
		}
	}
}

// TestSentAgainTwoKeys sends a message again that is sealed with a key which a restore has added to that of its user, while
// another key is removed: it stays where it is.
func TestSentAgainTwoKeys(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	m := keyed("ann", "old", "k")
	first := publish(t, a, "r", m)
	old := keyRecord(t, a, "ann")
	erased := a.wait(func(done func(error)) { a.ring.Erase("ann", done) })
	publish(t, a, "r", said("ann", "new"))
	publish(t, a, "q", said("bob", "x"))
	expire(t, a, "q", 0)
	if added, err := a.userKeys.Restore(t.Context(), "ann", old); !added || err != nil || erased != nil {
		t.Fatal(added, err, erased)
	}
	a.Close()

	probes := &late{natsServer: s, what: "state.", free: make(chan struct{}), held: make(chan struct{})}
	free := sync.OnceFunc(func() { close(probes.free) })
	t.Cleanup(free)
	cfg := collecting(nil)
	cfg.Connect = probes.connect
	b, c := open(t, s, collecting(nil)), openWith(t, cfg)
	answer := make(chan outcome, 1)
	probes.mu.Lock()
	probes.hold = true
	probes.mu.Unlock()
	c.Publish("r", m, func(p engine.Position, err error) { answer <- outcome{p, err} })
	<-probes.held // the stored message was opened, and its key is to be confirmed
	round := b.unused.view.ID()
	collectNow(t, b)
	if b.unused.view.ID() == round {
		t.Error("the round has not changed, so the test proves nothing")
	}
	wantUsers(t, b, "ann ann")
	free()
	if got := receive(t, answer); got.err != engine.ErrRepeated || got.pos != first.pos {
		t.Errorf("sent again: %+v, first: %+v", got, first)
	}
	if err := checkReadable(t, c, "r", engine.Span{Limit: -1}, "old new"); err != nil {
		t.Error(err)
	}
	// A text that is sealed with the own key, after one was opened with the other.
	publish(t, c, "r", said("ann", "more"))
	id, _ := seal.RecordID(old)
	if err := c.wait(func(done func(error)) { c.userKeys.DeleteID("ann", id, done) }); err != nil {
		t.Fatal(err)
	}
	if err := checkReadable(t, open(t, s, Config{Keep: always}), "r", engine.Span{Limit: -1}, "- new more"); err != nil {
		t.Error(err)
	}
}

// TestSentAgainLost sends a message again whose key the store has lost, whose stored bytes are damaged, or whose user was erased
// since.
func TestSentAgainLost(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	all := []string{"lost", "erased", "there"}
	for _, user := range all {
		publish(t, a, user, keyed(user, "text", "k"))
	}
	c := a.class("lost")
	if _, err := a.js.PublishMsg(t.Context(), damagedWith(a, c, "damaged", "k")); err != nil {
		t.Fatal(err)
	}
	erase(t, a, "erased")
	if err := a.wait(func(done func(error)) { a.userKeys.Delete("lost", done) }); err != nil {
		t.Fatal(err)
	}
	log := new(wstest.Log)
	b := open(t, s, Config{Keep: always, Log: slog.New(slog.NewTextHandler(log, nil))})
	for _, room := range append(slices.Clone(all), "damaged") {
		isLost := room == "lost" || room == "damaged"
		was := count(log, "it is stored again")
		known := askKnown(t, b, room, keyed(room, "text", "k"))
		if count(log, "it is stored again") != was {
			t.Errorf("%s: the log says that it is stored again, and nothing was stored", room)
		}
		got := publish(t, b, room, keyed(room, "text", "k"))
		for _, is := range []outcome{known, got} {
			if isLost != (is.err == nil) || !isLost && is.err != engine.ErrRepeated {
				t.Errorf("%s: %+v", room, is)
			}
		}
	}
	if count(log, "it is stored again", "room=lost", seal.ErrErased.Error()) != 1 {
		t.Error("the log does not say that it is stored again, and why")
	}
	for room, want := range map[string]string{"lost": "- text", "erased": "-", "there": "text", "damaged": "text"} {
		if err := checkReadable(t, b, room, engine.Span{Limit: -1}, want); err != nil {
			t.Error(fmt.Errorf("%s: %w", room, err))
		}
	}
}

// damagedWith returns a message with the id of a key whose bytes nobody can read.
func damagedWith(e *Engine, c *class, room, key string) *nats.Msg {
	return &nats.Msg{Subject: c.Room(room), Header: ids.Of(room, key).Header(), Data: []byte{envelope.Version, 0xff}}
}
