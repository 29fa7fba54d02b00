package jetstream

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/state"
)

// count counts the lines of a log with all of these texts.
func count(log *wstest.Log, texts ...string) (n int) {
next:
	for _, line := range log.Lines() {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		n++
	}
	return n
}

// configOf returns the settings of a stream.
func configOf(t *testing.T, e *Engine, stream string) jetstream.StreamConfig {
	t.Helper()
	s, err := e.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}

// TestChangedSettings opens a store again with other settings.
func TestChangedSettings(t *testing.T) {
	s := startServer(t)
	const stream = "ROOMS_ever"
	ages := []time.Duration{engine.Forever}
	limit := func(maxState int64) int64 { return 3*maxState + 1<<20 }
	first := open(t, s, Config{Keep: always, Ages: ages, MaxState: 1 << 20, KeyWindow: time.Minute})
	before := publish(t, first, "r", text("x"))
	if before.err != nil {
		t.Fatal(before.err)
	}
	first.Close()

	e := open(t, s, Config{Keep: always, Ages: ages, MaxState: 4 << 20, KeyWindow: time.Hour})
	if c := configOf(t, e, stream); c.Duplicates != time.Hour {
		t.Errorf("raised: a window of %v", c.Duplicates)
	}
	if c := configOf(t, e, state.Stream); c.MaxBytes != limit(4<<20) || e.MaxState() != 4<<20 {
		t.Errorf("the State may have %d bytes, of entries %d", c.MaxBytes, e.MaxState())
	}
	if now := publish(t, e, "r", text("x")); now.err != nil || now.pos.Epoch != before.pos.Epoch {
		t.Errorf("after the change: %+v, before it %+v", now, before)
	}
	e.Close()

	e = open(t, s, Config{Keep: always, Ages: ages, MaxState: 2 << 20, KeyWindow: time.Second})
	if c := configOf(t, e, stream); c.Duplicates != time.Second {
		t.Errorf("lowered: a window of %v", c.Duplicates)
	}
	if c := configOf(t, e, state.Stream); c.MaxBytes != limit(2<<20) {
		t.Errorf("lowered: the State may have %d bytes", c.MaxBytes)
	}
	for i := range 30 { // more than limit(1)
		if _, err := put(t, e, engine.Entry{Key: engine.Key{Table: "t", Name: fmt.Sprint(i)}, Value: make([]byte, 50_000)}); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()

	// What cannot be is logged, and the rest is done.
	log := new(wstest.Log)
	e = open(t, s, Config{Keep: always, Ages: ages, MaxState: 1, KeyWindow: time.Minute, Replicas: 3, Log: slog.New(slog.NewTextHandler(log, nil))})
	if c := configOf(t, e, state.Stream); c.MaxBytes != limit(2<<20) || c.Replicas != 1 {
		t.Errorf("fewer bytes than are stored, and three replicas on one server: %d bytes, %d replicas", c.MaxBytes, c.Replicas)
	}
	if c := configOf(t, e, stream); c.Duplicates != time.Minute || c.Replicas != 1 {
		t.Errorf("three replicas on one server: a window of %v, %d replicas", c.Duplicates, c.Replicas)
	}
	for _, setting := range []string{"max_bytes", "replicas"} {
		if n := count(log, "a changed setting cannot be given to the store, which keeps the old one", "setting="+setting, "stream="+state.Stream); n != 1 {
			t.Errorf("%d lines about %s", n, setting)
		}
	}
	if n := count(log, "a changed setting was given to the store", "setting=key_window"); n != 1 {
		t.Errorf("%d lines about the window", n)
	}
	if got := publish(t, e, "r", text("y")); got.err != nil {
		t.Error(got.err)
	}
	e.Close()

	e = open(t, s, Config{Keep: always, Ages: ages, MaxState: -1})
	if c := configOf(t, e, state.Stream); c.MaxBytes != -1 {
		t.Errorf("without a limit: %d bytes", c.MaxBytes)
	}
}

// TestChangedReplicas brings the streams of a cluster to three replicas.
func TestChangedReplicas(t *testing.T) {
	servers := startCluster(t)
	connect := func(opts ...nats.Option) (*nats.Conn, error) { return nats.Connect(servers[0].ClientURL(), opts...) }
	say := func(e *Engine) {
		t.Helper()
		wstest.Eventually(t, "the streams have leaders", func() bool { return publish(t, e, "r", text("x")).err == nil })
	}
	first := openWith(t, Config{Keep: always, Connect: connect})
	say(first)
	first.Close()
	e := openWith(t, Config{Keep: always, Connect: connect, Replicas: 3})
	say(e)
	for _, stream := range []string{"ROOMS_ever", state.Stream, keys.Stream} {
		if c := configOf(t, e, stream); c.Replicas != 3 {
			t.Errorf("the stream %s has %d replicas", stream, c.Replicas)
		}
	}
	if h := history(t, e, "r", engine.Span{Limit: -1}); len(h.Publications) != 2 {
		t.Errorf("the history is %+v", h)
	}
}

// TestChangedClass moves a room to another history age and back. It never has the epoch of an earlier time, and
// members learn that.
func TestChangedClass(t *testing.T) {
	s := startServer(t)
	ever, hour := engine.Retention{Messages: 100, Bytes: 1 << 20}, engine.Retention{Messages: 100, Bytes: 1 << 20, Age: time.Hour}
	seen := map[string]bool{}
	for i, one := range []engine.Retention{hour, ever, hour, hour, ever} {
		stays := i == 3
		keep := func(room string) engine.Retention {
			if room == "r" {
				return one
			}
			return hour
		}
		e := open(t, s, Config{Keep: keep, Classes: one.Age.String()})
		r := newRecorder()
		e.Subscribe("r", budget.Owner{}, r)
		r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
		epoch := r.begins[0].Epoch
		if seen[epoch] != stays {
			t.Errorf("%d: the epoch %s was there before: %v", i, epoch, seen[epoch])
		}
		seen[epoch] = true
		want := 0
		if stays {
			want = 3
		}
		if h := history(t, e, "r", engine.Span{Limit: -1}); len(h.Publications) != want || h.Top.Epoch != epoch {
			t.Errorf("%d: the history is %+v", i, h)
		}
		for range 3 {
			if got := publish(t, e, "r", text("x")); got.err != nil || got.pos.Epoch != epoch {
				t.Errorf("%d: published: %+v", i, got)
			}
		}
		other := publish(t, e, "other", text("x"))
		if h := history(t, e, "other", engine.Span{Limit: -1}); len(h.Publications) != i+1 || h.Top.Epoch != other.pos.Epoch {
			t.Errorf("%d: a room that has not changed has %d publications", i, len(h.Publications))
		}
		e.Close()
	}
}
