package erasures

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/natstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// open opens the list over a connection of its own.
func open(t *testing.T, s *embedded.Server) *List {
	t.Helper()
	nc := natstest.Connect(t, s)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), &streams.Opener{JS: js, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Replicas: 1}, logread.New(nc, logread.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestTwoProofs reads the list on two nodes at once, many times: no proof of one takes the marker of the other, except once for
// each if both have drawn the same one at first. The markers of nodes that have ended meanwhile are few.
func TestTwoProofs(t *testing.T) {
	s := natstest.Start(t, t.TempDir())
	a, b := open(t, s), open(t, s)
	names := map[string]bool{}
	for range 2000 {
		name := markers.New()
		if names[name] = true; !markers.Has(name) {
			t.Errorf("%s is no marker", name)
		}
	}
	if n := len(names); n < 100 || n > 1024 {
		t.Errorf("there are %d names", n)
	}
	if err := a.Add(t.Context(), "ann", time.Unix(1_800_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for _, l := range []*List{a, b} {
		both.Go(func() {
			failed := 0
			for range 50 {
				if err := l.Each(t.Context(), func(string, time.Time) error { return nil }); err != nil {
					if failed++; failed > 1 || !strings.Contains(err.Error(), "does not have the marker") {
						t.Error(err)
					}
				}
			}
		})
	}
	both.Wait()
}

// TestAnswerLacksAnErasure adds erasures, also after an answer that lacks a later one: the latest one stays.
func TestAnswerLacksAnErasure(t *testing.T) {
	l := open(t, natstest.Start(t, t.TempDir()))
	now := time.Unix(1_800_000_000, 0)
	for _, at := range []time.Time{now.Add(-time.Hour), now, now.Add(-time.Minute)} {
		if err := l.Add(t.Context(), "ann", at); err != nil {
			t.Fatal(err)
		}
	}
	since := func(user string, at time.Time, want bool) {
		t.Helper()
		if is, err := l.Since(t.Context(), user, at); is != want || err != nil {
			t.Errorf("%s since %v: %v, %v", user, at, is, err)
		}
	}
	since("ann", now, true)
	since("ann", now.Add(1), false)
	since("bob", time.Time{}, false)
	late := &outdating{JetStream: l.opener.JS, later: now.Add(2 * time.Hour)}
	l.opener.JS = late
	if err := l.Add(t.Context(), "ann", now.Add(time.Hour)); err != nil || late.times != 1 {
		t.Errorf("%v, after %d additions", err, late.times)
	}
	since("ann", late.later, true) // an earlier one has not replaced it
	late.always = true
	if err := l.Add(t.Context(), "ann", now.Add(10*time.Hour)); !errors.Is(err, logread.ErrUnavailable) {
		t.Errorf("the answer is wrong each time: %v", err)
	}
}

// TestNobodyKnowsOfAnErasure asks for an erasure while the list does not answer, or cannot prove that it has none: that is an error.
func TestNobodyKnowsOfAnErasure(t *testing.T) {
	s := natstest.Start(t, t.TempDir())
	l := open(t, s)
	info := l.stream.CachedInfo().Config
	info.MaxMsgs, info.Discard, info.DiscardNewPerSubject = 1, jetstream.DiscardNew, true
	if err := l.Add(t.Context(), "ann", time.Unix(1_800_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.opener.JS.UpdateStream(t.Context(), info); err != nil {
		t.Fatal(err)
	}
	if is, err := l.Since(t.Context(), "ann", time.Time{}); !is || err != nil {
		t.Errorf("an erasure: %v, %v", is, err)
	}
	if is, err := l.Since(t.Context(), "bob", time.Time{}); is || !errors.Is(err, logread.ErrUnavailable) {
		t.Errorf("no proof: %v, %v", is, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if is, err := l.Since(ended, "ann", time.Time{}); is || !errors.Is(err, logread.ErrUnavailable) {
		t.Errorf("no answer: %v, %v", is, err)
	}
}

// outdating adds a later erasure before the first publication, or before all: so the answer that the list has given before
// lacks it.
type outdating struct {
	jetstream.JetStream
	later  time.Time
	always bool
	times  int
}

func (o *outdating) Publish(ctx context.Context, subject string, data []byte, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if o.times == 0 || o.always {
		o.times++
		if _, err := o.JetStream.Publish(ctx, subject, binary.AppendVarint(nil, o.later.UnixNano())); err != nil {
			return nil, err
		}
	}
	return o.JetStream.Publish(ctx, subject, data, opts...)
}
