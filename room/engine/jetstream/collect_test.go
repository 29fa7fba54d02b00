package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cluster"
	"webim/room/engine/jetstream/internal/frames"
	"webim/room/engine/jetstream/internal/retire"
)

// collecting returns a configuration of a node that removes unused keys when the test calls collectNow. Its copy of the State is never fresh enough, so
// it asks for the key of each text, and a round may be short.
func collecting(step func(*Engine, string) error) Config {
	return Config{Keep: always, stateEvery: 20 * time.Millisecond, compareEvery: time.Hour,
		nodes:  cluster.Config{Beat: 10 * time.Second, Lease: time.Minute}, // nobody is deaf because the machine is busy
		unused: unusedConfig{from: 1, every: 1, wait: time.Millisecond, fresh: 1, step: step}}
}

// collectNow removes unused keys, and completes or abandons a round whose collector has ended.
func collectNow(t testing.TB, e *Engine) {
	t.Helper()
	eventually(t, func() error {
		if _, err := e.userKeys.Count(e.ctx, e.jobs.Pausing); err != nil {
			return err
		}
		e.unused.stored.Store(1)
		_, was, _, _ := e.unused.view.Round()
		if err := e.collect(); err != nil {
			return err
		}
		if r, now, _, _ := e.unused.view.Round(); now == was || r.Phase != retire.Idle {
			return fmt.Errorf("the round is in the phase %v", r.Phase)
		}
		return nil
	})
}

// users returns the users that have a key in the store.
func users(t testing.TB, e *Engine) string {
	t.Helper()
	var all []string
	if err := e.userKeys.Each(t.Context(), func(user string, _ []byte) error { all = append(all, user); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func wantUsers(t testing.TB, e *Engine, want string) {
	t.Helper()
	if got := users(t, e); got != want {
		t.Errorf("%q have keys, want %q", got, want)
	}
}

// expire removes messages of a room from the log, as the server removes those that are too old: all, or those before an offset.
func expire(t testing.TB, e *Engine, room string, before uint64) {
	t.Helper()
	c := e.class(room)
	if err := e.ready(c); err != nil {
		t.Fatal(err)
	}
	opts := []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject(c.Room(room))}
	if before > 0 {
		opts = append(opts, jetstream.WithPurgeSequence(before))
	}
	if err := e.stream(c).Purge(t.Context(), opts...); err != nil {
		t.Fatal(err)
	}
}

// TestCollect removes the keys of users whose messages are gone. Those of others, and of users of whom a stub is left, stay. Nothing else is left in
// the store.
func TestCollect(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, collecting(nil)), open(t, s, collecting(nil))
	for _, user := range []string{"ann", "bob", "cid", "dan"} {
		for i := range 3 {
			if got := publish(t, a, "of "+user, said(user, fmt.Sprint(i))); got.err != nil {
				t.Fatal(got.err)
			}
		}
	}
	short := publish(t, a, "both", said("ann", "x"))
	if short.err != nil {
		t.Fatal(short.err)
	}
	collectNow(t, a)
	wantUsers(t, a, "ann bob cid dan")
	key := string(keyRecord(t, a, "bob"))
	redact(t, a, "of cid", publish(t, a, "of cid", said("cid", "y")).pos.Offset)
	for _, user := range []string{"ann", "bob", "cid"} {
		expire(t, a, "of "+user, 0)
	}
	collectNow(t, b)
	wantUsers(t, a, "ann cid dan") // ann has said something elsewhere, cid has a stub
	if names := filesWith(t, s, key); len(names) != 0 {
		t.Errorf("the key is in %v", names)
	}
	for _, e := range []*Engine{a, b} {
		if err := checkReadable(t, e, "both", engine.Span{Limit: -1}, "x"); err != nil {
			t.Error(err)
		}
		if got := publish(t, e, "of bob", said("bob", "new")); got.err != nil {
			t.Error(got.err)
		}
	}
	for _, e := range []*Engine{a, b} {
		if err := checkReadable(t, e, "of bob", engine.Span{Limit: -1}, "new new"); err != nil {
			t.Error(err)
		}
	}
	wantUsers(t, a, "ann bob cid dan")
	info, err := a.stream(a.class("both")).Info(t.Context(), jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	for subject := range info.State.Subjects {
		if strings.Contains(subject, "proof") {
			t.Errorf("the marker %s is left", subject)
		}
	}
}

// TestCollectBegins checks that a node begins by itself when there are many keys, and not again before its time.
func TestCollectBegins(t *testing.T) {
	s := startServer(t)
	cfg := collecting(nil)
	cfg.compareEvery = 10 * time.Millisecond
	cfg.unused.from, cfg.unused.every = 3, time.Hour
	var mu sync.Mutex
	ended := 0
	cfg.unused.step = func(_ *Engine, name string) error {
		if name == "idle" {
			mu.Lock()
			ended++
			mu.Unlock()
		}
		return nil
	}
	a := open(t, s, cfg)
	publish(t, a, "r", said("ann", "x"))
	publish(t, a, "r", said("bob", "x"))
	expire(t, a, "r", 0)
	wstest.Eventually(t, "the keys are counted", func() bool { return a.unused.stored.Load() == 2 })
	publish(t, a, "r", said("cid", "x"))
	eventually(t, func() error {
		if got := users(t, a); got != "cid" {
			return fmt.Errorf("%q have keys", got)
		}
		return nil
	})
	for _, user := range []string{"dan", "eve", "fay"} {
		publish(t, a, "r", said(user, "x"))
	}
	wstest.Eventually(t, "the keys are counted again", func() bool { return a.unused.stored.Load() == 4 })
	if err := a.collect(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if ended != 1 {
		t.Errorf("keys were removed %d times", ended)
	}
}

// errKilled ends a collector as the end of its process does.
var errKilled = errors.New("killed")

// TestCollectKilled ends the node that removes keys before each of its steps. Another one goes on; meanwhile both can write and read.
func TestCollectKilled(t *testing.T) {
	for _, at := range []string{"scanning", "naming", "look again", "deleting", "delete", "idle"} {
		t.Run(at, func(t *testing.T) {
			s := startServer(t)
			a := open(t, s, collecting(func(e *Engine, name string) error {
				if name == at {
					e.cancel()
					return errKilled
				}
				return nil
			}))
			b := open(t, s, collecting(nil))
			for _, user := range []string{"ann", "bob", "cid"} {
				publish(t, b, "of "+user, said(user, "x"))
			}
			expire(t, b, "of ann", 0)
			expire(t, b, "of bob", 0)
			a.unused.stored.Store(1)
			if err := a.collect(); err == nil {
				t.Fatal("the node was not killed")
			}
			if got := publish(t, b, "of bob", said("bob", "again")); got.err != nil {
				t.Error(got.err)
			}
			eventually(t, func() error {
				collectNow(t, b)
				if got := users(t, b); got != "bob cid" {
					return fmt.Errorf("%q have keys", got)
				}
				return nil
			})
			for room, want := range map[string]string{"of bob": "again", "of cid": "x"} {
				for _, e := range []*Engine{b, open(t, s, Config{Keep: always})} {
					if err := checkReadable(t, e, room, engine.Span{Limit: -1}, want); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// TestTwoCollectors lets two nodes remove keys at once: one of them gives way.
func TestTwoCollectors(t *testing.T) {
	s := startServer(t)
	var b *Engine
	gaveWay := false
	a := open(t, s, collecting(func(e *Engine, name string) error {
		if name == "deleting" {
			// This node stands still for so long that another one takes it for dead.
			collectNow(t, b)
			gaveWay = true
		}
		return nil
	}))
	b = open(t, s, collecting(nil))
	publish(t, a, "r", said("ann", "x"))
	expire(t, a, "r", 0)
	a.unused.stored.Store(1)
	if err := a.collect(); !errors.Is(err, engine.ErrVersion) || !gaveWay {
		t.Errorf("the first node ends with %v", err)
	}
	publish(t, a, "r", said("ann", "y"))
	publish(t, b, "r", said("ann", "z"))
	for _, e := range []*Engine{a, b} {
		if err := checkReadable(t, e, "r", engine.Span{Limit: -1}, "y z"); err != nil {
			t.Error(err)
		}
	}
}

// beatOfOlder sends what a node of webim 0.1.0 does each second, and waits until a node has heard it.
func beatOfOlder(t testing.TB, s *natsServer, e *Engine, id string) {
	t.Helper()
	nc, err := s.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	before := time.Now()
	if err := nc.Publish("ctl.alive", frames.Append(nil, &frames.Frame{From: id, Kind: frames.Beat})); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "the node has heard it", func() bool {
		since, node := e.cluster.Older()
		return node == id && since.After(before)
	})
}

// TestCollectBesideOlder removes no key while a node is there that does not know rounds: neither if it was there before, nor if
// it appears when keys have been named. From the first round on, such a node cannot open the store.
func TestCollectBesideOlder(t *testing.T) {
	s := startServer(t)
	format := func(e *Engine) string {
		t.Helper()
		stream, err := e.js.Stream(t.Context(), "STATE")
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().Config.Metadata["webim-format"]
	}
	appears := ""
	cfg := collecting(func(e *Engine, name string) error {
		if name == appears {
			beatOfOlder(t, s, e, "old/2")
		}
		return nil
	})
	cfg.unused.wait = time.Hour
	a := open(t, s, cfg)
	publish(t, a, "r", said("ann", "x"))
	expire(t, a, "r", 0)
	a.unused.stored.Store(1)
	if err := a.collect(); err != nil {
		t.Errorf("a node that has just begun: %v", err)
	}
	beatOfOlder(t, s, a, "old/1")
	if err := a.collect(); !errors.Is(err, errOlder) || !strings.Contains(err.Error(), "old/1") {
		t.Errorf("beside an older node: %v", err)
	}
	if _, version, _, _ := a.unused.view.Round(); version != 0 || format(a) != "1" {
		t.Errorf("a round has begun: %d, format %s", version, format(a))
	}
	a.cfg.unused.wait = time.Millisecond
	for _, appears = range []string{"scanning", "look again"} {
		wstest.Eventually(t, "the node has heard none for long enough", func() bool { return a.heardNone(time.Now().Add(-a.cfg.unused.wait)) == nil })
		err := a.collect()
		if isLate := appears == "look again"; isLate != errors.Is(err, errOlder) {
			t.Errorf("an older node appears before %s: %v", appears, err)
		}
		if r, _, _, _ := a.unused.view.Round(); r.Phase != retire.Idle || format(a) != "2" {
			t.Errorf("the phase is %v, the format %s", r.Phase, format(a))
		}
		want := map[string]string{"scanning": "", "look again": "ann"}[appears]
		wantUsers(t, a, want)
		publish(t, a, "r", said("ann", "x"))
		expire(t, a, "r", 0)
	}
	appears = ""
	collectNow(t, a)
	wantUsers(t, a, "")
	open(t, s, Config{Keep: always})
}
