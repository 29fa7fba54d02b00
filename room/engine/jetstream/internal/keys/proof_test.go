package keys

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/natstest"
)

// watch counts the markers and the reads of keys that a server gets.
func watch(t *testing.T, nc *nats.Conn) (markers, reads func() int) {
	t.Helper()
	pending := func(subject string) *nats.Subscription {
		sub, err := nc.SubscribeSync(subject)
		if err != nil {
			t.Fatal(err)
		}
		return sub
	}
	published, asked := pending("key.*"), pending("$JS.API.STREAM.MSG.GET."+Stream)
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	count := func(sub *nats.Subscription) int {
		n, _, err := sub.Pending()
		if err != nil {
			t.Error(err)
		}
		return n
	}
	return func() int { return count(published) }, func() int { return count(asked) }
}

// TestManyMissingKeys asks for many keys that are not there, as after a restore without keys: all get an answer, one proof
// serves many of them, and the stream has no marker afterwards.
func TestManyMissingKeys(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	s := open(t, natstest.Connect(t, server), Config{})
	markers, reads := watch(t, natstest.Connect(t, server))
	const n = 30 // as many requests are under way at a time
	s.prover.turn <- struct{}{}
	answers := make(chan answer, n)
	for i := range n {
		s.Get(fmt.Sprint("user", i), 0, true, func(record []byte, err error) { answers <- answer{record: record, err: err} })
	}
	wstest.Eventually(t, "all were asked for", func() bool { return reads() == n })
	if got := markers(); got != 0 {
		t.Errorf("%d markers before it is the turn", got)
	}
	<-s.prover.turn
	for range n {
		if a := receive(t, answers); a.err != nil || a.record != nil {
			t.Errorf("%+v", a)
		}
	}
	wstest.Eventually(t, "a marker was seen", func() bool { return markers() > 0 })
	if got := markers(); got > n/2 {
		t.Errorf("%d markers for %d keys", got, n)
	}
	if _, err := s.Count(t.Context(), never); err != nil {
		t.Error(err)
	}
	for i, keys := range s.groups.keys {
		if keys != 0 {
			t.Errorf("the group %d has %d keys", i, keys)
		}
	}
	info, err := s.stream.Info(t.Context())
	if err != nil || info.State.Msgs != 0 {
		t.Errorf("%+v, %v", info, err)
	}
}

// TestMarkerThatStays leaves a marker in the stream: it is no key, and the next proof replaces it.
func TestMarkerThatStays(t *testing.T) {
	s := open(t, natstest.Connect(t, natstest.Start(t, t.TempDir())), Config{})
	if a := create(t, s, "ann", record("ann", 1)); !a.created {
		t.Fatal(a.err)
	}
	if _, err := s.js.Publish(t.Context(), s.prover.marker, nil); err != nil {
		t.Fatal(err)
	}
	s.prover.stored = true
	var users []string
	err := s.Each(t.Context(), func(user string, _ []byte) error { users = append(users, user); return nil })
	if err != nil || strings.Join(users, " ") != "ann" {
		t.Errorf("%q, %v", users, err)
	}
	for range 2 {
		if a := get(t, s, "bob"); a.err != nil || a.record != nil {
			t.Errorf("%+v", a)
		}
	}
	if info, err := s.stream.Info(t.Context()); err != nil || info.State.Msgs != 1 {
		t.Errorf("%+v, %v", info, err)
	}
}

// TestUnproven asks for a missing key while no marker can be stored: nobody can say that it is missing.
func TestUnproven(t *testing.T) {
	s := open(t, natstest.Connect(t, natstest.Start(t, t.TempDir())), Config{})
	full := s.stream.CachedInfo().Config
	full.MaxMsgs = 1
	if _, err := s.js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	if a := create(t, s, "ann", record("ann", 1)); !a.created {
		t.Fatal(a.err)
	}
	if a := get(t, s, "bob"); !errors.Is(a.err, engine.ErrUnavailable) || !errors.Is(a.err, seal.ErrUnproven) {
		t.Errorf("%+v", a)
	}
	if err := del(t, s, "bob"); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("deleting a key that is perhaps there: %v", err)
	}
	if a := get(t, s, "ann"); a.err != nil || a.record == nil {
		t.Errorf("%+v", a)
	}
	full.MaxMsgs = MaxKeys
	if _, err := s.js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	if a := get(t, s, "bob"); a.err != nil || a.record != nil {
		t.Errorf("with space: %+v", a)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.prover.turn <- struct{}{}
	if err := s.prove(ended); !errors.Is(err, seal.ErrUnproven) {
		t.Errorf("without a turn: %v", err)
	}
	<-s.prover.turn
	if err := s.prove(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSole asks a server in the same process: without an error, its answer needs no marker.
func TestSole(t *testing.T) {
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()))
	ill := errors.New("ill")
	var err error
	s := open(t, nc, Config{Sole: true, Err: func() error { return err }})
	if a := get(t, s, "ann"); a.err != nil || a.record != nil {
		t.Errorf("%+v", a)
	}
	err = ill
	if a := get(t, s, "ann"); !errors.Is(a.err, ill) || !errors.Is(a.err, seal.ErrUnproven) {
		t.Errorf("%+v", a)
	}
	js, failed := jetstream.New(nc)
	if failed != nil {
		t.Fatal(failed)
	}
	if stream, err := js.Stream(t.Context(), Stream); err != nil || stream.CachedInfo().State.LastSeq != 0 {
		t.Errorf("a marker was stored: %v", err)
	}
}

// TestDeletedTwice checks that it is no error if another node has deleted a key first, and that a refusal is one if the key is
// there.
func TestDeletedTwice(t *testing.T) {
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()))
	s := open(t, nc, Config{})
	if got := create(t, s, "ann", record("ann", 1)); got.err != nil {
		t.Fatal(got.err)
	}
	_, seq, err := s.newest(t.Context(), subjectOf("ann", 0))
	if err != nil || seq == 0 {
		t.Fatal(seq, err)
	}
	if err := s.absent(t.Context(), seq); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("the key is there, and absent returns %v", err)
	}
	for range 2 {
		if err := s.erase(t.Context(), seq); err != nil {
			t.Error(err)
		}
	}
	if err := s.absent(t.Context(), seq); err != nil {
		t.Error(err)
	}
}
