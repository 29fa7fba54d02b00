package streams

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/internal/format"
	"webim/room/engine/jetstream/natstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// start starts a server, and returns an opener on it.
func start(t *testing.T) *Opener {
	t.Helper()
	js, err := jetstream.New(natstest.Connect(t, natstest.Start(t, t.TempDir())))
	if err != nil {
		t.Fatal(err)
	}
	return &Opener{JS: js, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Replicas: 1}
}

var logStream = jetstream.StreamConfig{Name: "LOG", Subjects: []string{"log.>"}}

// TestMigration migrates a stream to formats that do not exist yet: there is only one so far. The steps write
// into the stream, as real ones would.
func TestMigration(t *testing.T) {
	o := start(t)
	if _, err := o.Open(t.Context(), logStream); err != nil {
		t.Fatal(err)
	}
	later, ill := *o, errors.New("ill")
	later.format = 3
	fails := true
	later.steps = func(stream string) format.Steps {
		say := func(text string) error {
			_, err := o.JS.Publish(t.Context(), "log.a", []byte(stream+" "+text))
			return err
		}
		return format.Steps{
			1: func() error { return say("to 2") },
			2: func() error {
				if fails {
					return ill
				}
				return say("to 3")
			},
		}
	}
	if _, err := later.Open(t.Context(), logStream); !errors.Is(err, ill) {
		t.Errorf("a step fails: %v", err)
	}
	fails = false
	for range 2 {
		s, err := later.Open(t.Context(), logStream)
		if err != nil {
			t.Fatal(err)
		}
		if n := s.CachedInfo().State.Msgs; n != 2 {
			t.Errorf("%d steps were made", n)
		}
	}
	if _, err := o.Open(t.Context(), logStream); !errors.Is(err, format.ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
	later.format = 4
	if _, err := later.Open(t.Context(), logStream); !errors.Is(err, format.ErrOlder) {
		t.Errorf("a format from which no step leads on: %v", err)
	}
}

// TestForeign checks that webim does not touch a stream that it has not made.
func TestForeign(t *testing.T) {
	o := start(t)
	if _, err := o.JS.CreateStream(t.Context(), logStream); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Open(t.Context(), logStream); !errors.Is(err, ErrForeign) {
		t.Errorf("%v", err)
	}
}

// TestIncarnation checks that a stream keeps its incarnation until it is renewed or made anew.
func TestIncarnation(t *testing.T) {
	o := start(t)
	seen := map[string]bool{}
	check := func(s jetstream.Stream, err error, isNew bool) jetstream.Stream {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if is := Incarnation(s); is == "" || seen[is] == isNew {
			t.Errorf("the incarnation %q, which is new: %v", is, isNew)
		} else {
			seen[is] = true
		}
		return s
	}
	s, err := o.Open(t.Context(), logStream)
	check(s, err, true)
	s, err = o.Open(t.Context(), logStream)
	s = check(s, err, false)
	s, err = o.Renew(t.Context(), s)
	check(s, err, true)
	if err := o.JS.DeleteStream(t.Context(), "LOG"); err != nil {
		t.Fatal(err)
	}
	s, err = o.Open(t.Context(), logStream)
	check(s, err, true)
}

// TestSync checks that a stream is on the disk whenever its settings or notes have changed, and that a failure to write
// it is one of the call.
func TestSync(t *testing.T) {
	o := start(t)
	var synced []string
	var ill error
	o.Sync = func(stream string) error { synced = append(synced, stream); return ill }
	count := func(what string, want int) {
		t.Helper()
		if len(synced) != want || want > 0 && synced[0] != "LOG" {
			t.Errorf("%s: %q were synced", what, synced)
		}
		synced = nil
	}
	s, err := o.Open(t.Context(), logStream)
	count("a new stream", 1)
	for _, call := range []struct {
		name string
		want int
		do   func() error
	}{
		{"Open of a stream that is there", 0, func() error { _, err := o.Open(t.Context(), logStream); return err }},
		{"SetNote", 1, func() error { return o.SetNote(t.Context(), s, "note", "text") }},
		{"Renew", 1, func() (err error) { s, err = o.Renew(t.Context(), s); return err }},
		{"Open with two other settings", 2, func() error {
			changed := logStream
			changed.MaxBytes, changed.MaxMsgsPerSubject = 1<<30, 5
			_, err := o.Open(t.Context(), changed)
			return err
		}},
	} {
		err = errors.Join(err, call.do())
		count(call.name, call.want)
	}
	if err != nil {
		t.Fatal(err)
	}
	ill = errors.New("ill")
	if _, err := o.Renew(t.Context(), s); !errors.Is(err, ill) {
		t.Errorf("Renew on an ill disk: %v", err)
	}
	other := logStream
	other.Name, other.Subjects = "OTHER", []string{"other.>"}
	if _, err := o.Open(t.Context(), other); !errors.Is(err, ill) {
		t.Errorf("Open on an ill disk: %v", err)
	}
}

// TestRefuseOlder raises the format of a stream, whose bytes stay as they are. An older webim refuses it: it compares the format with 1. A node that has opened the stream before
// and changes something else leaves it so.
func TestRefuseOlder(t *testing.T) {
	o := start(t)
	before, err := o.Open(t.Context(), logStream)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := o.RefuseOlder(t.Context(), logStream.Name); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.SetNote(t.Context(), before, "note", "text"); err != nil {
		t.Fatal(err)
	}
	s, err := o.Open(t.Context(), logStream)
	if err != nil {
		t.Fatal(err)
	}
	if is := s.CachedInfo().Config.Metadata; is[metaFormat] != "2" || is["note"] != "text" {
		t.Errorf("the stream has %v", is)
	}
	if err := o.RefuseOlder(t.Context(), "OTHER"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("no stream: %v", err)
	}
}

// TestNames lists streams. Nothing is left of the proof, nor of one whose node has ended; one that another node makes now stays.
func TestNames(t *testing.T) {
	o := start(t)
	const foreign, old = "WEBIM_PROOF_1000", "WEBIM_PROOF_1000_ABCDEFGHIJKL"
	now := fmt.Sprint("WEBIM_PROOF_", time.Now().Add(-time.Minute).Unix(), "_ABCDEFGHIJKL") // of a node whose clock is behind
	for _, name := range []string{"A_1", "A_2", "B_1", old, foreign, "PROOF_1000", now} {
		if _, err := o.JS.CreateStream(t.Context(), jetstream.StreamConfig{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(o *Opener, prefix string, want ...string) {
		t.Helper()
		names, err := o.Names(t.Context(), prefix)
		slices.Sort(names)
		if !slices.Equal(names, want) || err != nil {
			t.Errorf("%q, %v, want %q", names, err, want)
		}
	}
	want(o, "A_", "A_1", "A_2")
	want(o, "", "A_1", "A_2", "B_1", "PROOF_1000", foreign)
	ill := errors.New("ill")
	var err error
	sole := &Opener{JS: o.JS, Sole: func() error { return err }}
	want(sole, "WEBIM_", foreign, now)
	err = ill
	if _, err := sole.Names(t.Context(), ""); !errors.Is(err, ill) {
		t.Errorf("of a server with an error: %v", err)
	}
}
