package streams

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// stale is a JetStream that tells an old description of each stream, if old is set.
type stale struct {
	jetstream.JetStream
	old jetstream.Stream
}

func (s *stale) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if s.old != nil {
		return s.old, nil
	}
	return s.JetStream.Stream(ctx, name)
}

// leaderless is a stream without a leader.
type leaderless struct{ jetstream.Stream }

func (l leaderless) CachedInfo() *jetstream.StreamInfo {
	info := *l.Stream.CachedInfo()
	info.Cluster = &jetstream.ClusterInfo{Name: "c"}
	return &info
}

// TestNoLeader asks for a stream that has no leader now: whatever a replica tells of it is not believed.
func TestNoLeader(t *testing.T) {
	o := start(t)
	var k Known
	s, _, err := o.OpenKnown(t.Context(), logStream, &k, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.JS = &stale{o.JS, leaderless{s}}
	if _, err := o.Find(t.Context(), "LOG"); !errors.Is(err, ErrNoLeader) {
		t.Errorf("Find: %v", err)
	}
	if _, _, err := o.OpenKnown(t.Context(), logStream, &k, nil); !errors.Is(err, ErrNoLeader) || !isNotReady(err) {
		t.Errorf("OpenKnown: %v", err)
	}
	if _, err := o.Renew(t.Context(), s); !errors.Is(err, ErrNoLeader) {
		t.Errorf("Renew: %v", err)
	}
}

// TestFormerIncarnation opens a stream while a server answers that does not know of its new incarnation: the stream does not open,
// and is not changed. If that goes on, another node has undone the renewal, and the stream gets a new incarnation once more.
func TestFormerIncarnation(t *testing.T) {
	o := start(t)
	js := &stale{JetStream: o.JS}
	o.JS, o.undone = js, time.Hour
	var k Known
	open := func() (string, bool, error) {
		s, lost, err := o.OpenKnown(t.Context(), logStream, &k, nil)
		if err != nil {
			return "", lost, err
		}
		return Incarnation(s), lost, nil
	}
	first, _, err := open()
	if err != nil {
		t.Fatal(err)
	}
	before, err := o.JS.Stream(t.Context(), "LOG")
	if err != nil {
		t.Fatal(err)
	}
	k.See(first, 5)
	second, lost, err := open()
	if err != nil || !lost || second == first {
		t.Fatalf("after a loss: %q, %v, %v", second, lost, err)
	}
	if k.See(first, 9); k.Last() != (Seen{second, 0}) {
		t.Errorf("after a late answer of the old stream: %+v", k.Last())
	}
	k.See(second, 0)

	js.old = before
	if is, _, err := open(); !errors.Is(err, ErrStale) || !isNotReady(err) {
		t.Errorf("a server that is behind: %q, %v", is, err)
	}
	if _, err := o.FindKnown(t.Context(), "LOG", &k); !errors.Is(err, ErrStale) {
		t.Errorf("a server that is behind: %v", err)
	}
	if k.Last().Incarnation != second {
		t.Errorf("%+v", k.Last())
	}
	js.old = nil
	if is, lost, err := open(); is != second || lost || err != nil {
		t.Errorf("a server that has everything: %q, %v, %v", is, lost, err)
	}

	// Another node, whose server is behind, changes a setting.
	if _, err := js.UpdateStream(t.Context(), before.CachedInfo().Config); err != nil {
		t.Fatal(err)
	}
	if is, _, err := open(); !errors.Is(err, ErrStale) {
		t.Errorf("the renewal was undone just now: %q, %v", is, err)
	}
	o.undone = time.Nanosecond
	third, lost, err := open()
	if err != nil || !lost || third == first || third == second {
		t.Errorf("the renewal was undone: %q, %v, %v", third, lost, err)
	}
}

// TestStaleChange changes a stream of which a server tells an old configuration: the change fails, and undoes nothing.
func TestStaleChange(t *testing.T) {
	o := start(t)
	js := &stale{JetStream: o.JS}
	o.JS = js
	before, err := o.Open(t.Context(), logStream)
	if err != nil {
		t.Fatal(err)
	}
	s, err := o.JS.Stream(t.Context(), "LOG")
	if err == nil {
		s, err = o.Renew(t.Context(), s)
	}
	if err != nil {
		t.Fatal(err)
	}
	js.old = before
	if err := o.SetNote(t.Context(), s, "note", "text"); !errors.Is(err, ErrStale) {
		t.Errorf("a note: %v", err)
	}
	js.old = nil
	if err := o.SetNote(t.Context(), before, "note", "text"); !errors.Is(err, ErrStale) {
		t.Errorf("a note at the stream as it was: %v", err)
	}
	is, err := o.JS.Stream(t.Context(), "LOG")
	if err != nil || Incarnation(is) != Incarnation(s) || Note(is, "note") != "" {
		t.Errorf("%v, %v", is.CachedInfo().Config.Metadata, err)
	}
}

// undoing is a JetStream in which another node undoes each change at once.
type undoing struct{ jetstream.JetStream }

func (u undoing) UpdateStream(ctx context.Context, c jetstream.StreamConfig) (jetstream.Stream, error) {
	before, err := u.Stream(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	s, err := u.JetStream.UpdateStream(ctx, c)
	if err == nil {
		_, err = u.JetStream.UpdateStream(ctx, before.CachedInfo().Config)
	}
	return s, err
}

// TestUndoneChange makes a change that another node undoes: that is an error.
func TestUndoneChange(t *testing.T) {
	o := start(t)
	s, err := o.Open(t.Context(), logStream)
	if err != nil {
		t.Fatal(err)
	}
	o.JS = undoing{o.JS}
	if _, err := o.Renew(t.Context(), s); !errors.Is(err, ErrStale) {
		t.Errorf("Renew: %v", err)
	}
	if err := o.SetNote(t.Context(), s, "note", "text"); !errors.Is(err, ErrStale) {
		t.Errorf("SetNote: %v", err)
	}
}
