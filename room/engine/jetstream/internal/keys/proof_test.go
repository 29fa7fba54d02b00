package keys

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/natstest"
)

// TestMarkerThatStays leaves a marker in the stream: it is no key, and no payer pays for it.
func TestMarkerThatStays(t *testing.T) {
	s := open(t, natstest.Connect(t, natstest.Start(t, t.TempDir())), Config{})
	if a := create(t, s, "ann", record("ann", 1)); !a.created {
		t.Fatal(a.err)
	}
	if _, err := s.leader.Mark(t.Context(), Stream, markers.New(), nil); err != nil {
		t.Fatal(err)
	}
	var users []string
	err := s.Each(t.Context(), func(user string, _ []byte) error { users = append(users, user); return nil })
	if err != nil || strings.Join(users, " ") != "ann" {
		t.Errorf("%q, %v", users, err)
	}
	if all, err := s.List(t.Context(), func(time.Duration) error { return nil }); len(all) != 1 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := s.Count(t.Context(), never); err != nil {
		t.Error(err)
	}
	for i, keys := range s.groups.keys {
		if keys != 0 {
			t.Errorf("the group %d has %d keys", i, keys)
		}
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
}

// TestDoubt reads keys after others may have been deleted. A full stream takes no marker: then the server has to prove only that it
// leads the stream, by a purge, and is asked for a marker when there is space.
func TestDoubt(t *testing.T) {
	s := open(t, natstest.Connect(t, natstest.Start(t, t.TempDir())), Config{})
	cfg := s.stream.CachedInfo().Config
	cfg.MaxMsgs = 1
	if _, err := s.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if a := create(t, s, "ann", record("ann", 1)); !a.created {
		t.Fatal(a.err)
	}
	last := func() uint64 {
		t.Helper()
		info, err := s.stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.LastSeq
	}
	read := func(what string, markers uint64) {
		t.Helper()
		before := last()
		if a := get(t, s, "ann"); a.err != nil || a.record == nil {
			t.Errorf("%s: %+v", what, a)
		}
		if n := last() - before; n != markers {
			t.Errorf("%s: %d markers, want %d", what, n, markers)
		}
	}
	s.Doubt()
	read("without space", 0)
	cfg.MaxMsgs = MaxKeys
	if _, err := s.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	read("with space", 1)
	read("after the proof", 0)
	if _, err := s.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	read("when it was opened again", 1)
	s.Doubt()
	read("after another round", 1)
	s.Doubt()
	cfg.MaxMsgs, cfg.DenyDelete = 1, true
	if _, err := s.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if a := get(t, s, "ann"); !errors.Is(a.err, engine.ErrUnavailable) || !errors.Is(a.err, seal.ErrUnproven) {
		t.Errorf("without space, and without a leader: %+v", a)
	}
}

// TestDeleteAfterAnOldAnswer deletes the key of a user while the first answer names a key that is gone since: the one that the user
// has now is deleted.
func TestDeleteAfterAnOldAnswer(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	other := natstest.Connect(t, server)
	old := &oldAnswer{server: server}
	nc, err := nats.Connect("", nats.InProcessServer(old))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s := open(t, nc, Config{})
	if a := create(t, s, "ann", record("ann", 1)); !a.created {
		t.Fatal(a.err)
	}
	was, err := other.Request("$JS.API.STREAM.MSG.GET.KEYS", []byte(`{"last_by_subj":"key.ann"}`), wstest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	if err := del(t, s, "ann"); err != nil {
		t.Fatal(err)
	}
	if a := create(t, s, "ann", record("ann", 2)); !a.created {
		t.Fatal(a.err)
	}
	if _, err = other.Subscribe("old.KEYS", func(m *nats.Msg) { _ = m.Respond(was.Data) }); err == nil {
		err = other.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	old.once.Store(true)
	if err := del(t, s, "ann"); err != nil {
		t.Error(err)
	}
	if old.once.Load() {
		t.Error("no old answer came, so the test proves nothing")
	}
	if a := get(t, s, "ann"); a.err != nil || a.record != nil {
		t.Errorf("after the deletion: %+v", a)
	}
}

// oldAnswer is a server that gives an old answer to the next request for a message of the keys, if once is set.
type oldAnswer struct {
	server nats.InProcessConnProvider
	once   atomic.Bool
}

func (o *oldAnswer) InProcessConn() (net.Conn, error) {
	c, err := o.server.InProcessConn()
	return oldConn{c, o}, err
}

type oldConn struct {
	net.Conn
	o *oldAnswer
}

func (c oldConn) Write(b []byte) (int, error) {
	sent, request := b, []byte("PUB $JS.API.STREAM.MSG.GET.KEYS ")
	if bytes.Contains(b, request) && c.o.once.CompareAndSwap(true, false) {
		sent = bytes.Replace(b, request, []byte("PUB old.KEYS "), 1)
	}
	if _, err := c.Conn.Write(sent); err != nil {
		return 0, err
	}
	return len(b), nil
}

// TestSole asks a server in the same process: without an error, its answer needs no marker.
func TestSole(t *testing.T) {
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()))
	ill := errors.New("ill")
	var err error
	s := open(t, nc, Config{Sole: func() error { return err }})
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
	m, err := s.newest(t.Context(), subjectOf("ann", 0))
	if err != nil || m.Seq == 0 {
		t.Fatal(m, err)
	}
	if err := s.absent(t.Context(), m.Seq); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("the key is there, and absent returns %v", err)
	}
	for _, was := range []bool{false, true} {
		if gone, err := s.erase(t.Context(), m.Seq); err != nil || gone != was {
			t.Errorf("the key was gone: %v, %v, want %v", gone, err, was)
		}
	}
	if err := s.absent(t.Context(), m.Seq); err != nil {
		t.Error(err)
	}
}
