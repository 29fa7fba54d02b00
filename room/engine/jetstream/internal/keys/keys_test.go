package keys

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/internal/format"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/natstest"
)

func TestStore(t *testing.T) {
	s := open(t, natstest.Connect(t, natstest.Start(t, t.TempDir())), Config{})
	for _, user := range users {
		first, second := record(user, 1), record(user, 2)
		if a := get(t, s, user); a.err != nil || a.record != nil {
			t.Errorf("%q, before: %+v", user, a)
		}
		if err := del(t, s, user); err != nil {
			t.Errorf("%q, deleting nothing: %v", user, err)
		}
		if a := create(t, s, user, first); a.err != nil || !a.created {
			t.Errorf("%q, the first key: %+v", user, a)
		}
		if a := create(t, s, user, second); a.err != nil || a.created {
			t.Errorf("%q, another key: %+v", user, a)
		}
		if a := get(t, s, user); a.err != nil || !bytes.Equal(a.record, first) {
			t.Errorf("%q, reading: %+v", user, a)
		}
		if err := del(t, s, user); err != nil {
			t.Errorf("%q, deleting: %v", user, err)
		}
		if a := get(t, s, user); a.err != nil || a.record != nil {
			t.Errorf("%q, after deleting: %+v", user, a)
		}
		if a := create(t, s, user, second); a.err != nil || !a.created {
			t.Errorf("%q, a new key: %+v", user, a)
		}
	}
	for _, user := range users { // of one user, not of all
		if a := get(t, s, user); a.err != nil || !bytes.Equal(a.record, record(user, 2)) {
			t.Errorf("%q, in the end: %+v", user, a)
		}
	}
}

// TestDeletedKeyIsInNoFile scans the files of the store after deleting: the store at work, a copy of it as a crash
// leaves it, and the store after a restart. The keys are in the newest file and in an older one.
func TestDeletedKeyIsInNoFile(t *testing.T) {
	dir := t.TempDir()
	server := natstest.Start(t, dir)
	nc := natstest.Connect(t, server)
	s := open(t, nc, Config{})
	deleted := []string{"deleted old", "deleted new"}
	kept := []string{"kept old", "kept new"}
	for i := range 2 {
		for _, user := range []string{deleted[i], kept[i]} {
			if a := create(t, s, user, record(user, 1)); a.err != nil || !a.created {
				t.Fatalf("%q: %+v", user, a)
			}
		}
		for n := range 20 { // more than a file of the stream holds
			if i == 1 {
				break
			}
			if a := create(t, s, fmt.Sprint("large ", n), make([]byte, 1<<19)); a.err != nil || !a.created {
				t.Fatalf("%+v", a)
			}
		}
	}
	old, recent := filesWith(t, dir, record(kept[0], 1)[8:]), filesWith(t, dir, record(kept[1], 1)[8:])
	if len(old) != 1 || len(recent) != 1 || old[0] == recent[0] {
		t.Fatalf("the keys are in %q and %q", old, recent)
	}
	for _, user := range deleted {
		if len(filesWith(t, dir, record(user, 1)[8:])) != 1 {
			t.Fatalf("the key of %q is in no file", user)
		}
		if err := del(t, s, user); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what, dir string, s *Store) {
		t.Helper()
		for i := range 2 {
			if names := filesWith(t, dir, record(deleted[i], 1)[8:24]); len(names) != 0 { // also not a part
				t.Errorf("%s: the deleted key of %q is in %q", what, deleted[i], names)
			}
			if a := get(t, s, deleted[i]); a.err != nil || a.record != nil {
				t.Errorf("%s: the deleted key of %q: %+v", what, deleted[i], a)
			}
			if a := get(t, s, kept[i]); a.err != nil || !bytes.Equal(a.record, record(kept[i], 1)) {
				t.Errorf("%s: the key of %q: %+v", what, kept[i], a)
			}
		}
	}
	check("at work", dir, s)

	crashed := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(filepath.Join(crashed, "jetstream"), os.DirFS(filepath.Join(dir, "jetstream"))); err != nil {
		t.Fatal(err)
	}
	check("after a crash", crashed, open(t, natstest.Connect(t, natstest.Start(t, crashed)), Config{}))

	nc.Close()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	check("after a restart", dir, open(t, natstest.Connect(t, natstest.Start(t, dir)), Config{}))
}

// TestRings uses the store as two nodes do.
func TestRings(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	var rings []*seal.Ring
	for range 2 {
		rings = append(rings, seal.NewRing(seal.Config{Store: open(t, natstest.Connect(t, server), Config{})}))
	}
	type result struct {
		key *seal.Key
		err error
	}
	sealing := func(r *seal.Ring, user string) <-chan result {
		c := make(chan result, 1)
		r.ForSealing(user, nil, func(k *seal.Key, err error) { c <- result{k, err} })
		return c
	}
	await := func(c <-chan result) result {
		t.Helper()
		select {
		case r := <-c:
			return r
		case <-time.After(wstest.Patience):
			t.Fatal("no key")
			panic("unreachable")
		}
	}
	for i := range 50 { // both make the first key at the same time
		user := fmt.Sprint("user ", i)
		one, two := sealing(rings[0], user), sealing(rings[1], user)
		a, b := await(one), await(two)
		if a.err != nil || b.err != nil {
			t.Fatal(a.err, b.err)
		}
		text := a.key.Seal(nil, []byte("hello"), "lobby", 0)
		if got, err := b.key.Open(nil, text, "lobby", 0); err != nil || string(got) != "hello" {
			t.Fatalf("%s: opened as %q, %v", user, got, err)
		}
	}
	old := await(sealing(rings[0], "user 0")).key
	text := old.Seal(nil, []byte("hello"), "lobby", 0)
	erased := make(chan error, 1)
	rings[1].Erase("user 0", func(err error) { erased <- err })
	if err := <-erased; err != nil {
		t.Fatal(err)
	}
	rings[0].Forget("user 0")
	for _, r := range rings {
		c := make(chan result, 1)
		r.ForOpening("user 0", seal.KeyID(text), func(k *seal.Key, err error) { c <- result{k, err} })
		if got := await(c); got.err != seal.ErrErased {
			t.Errorf("after erasing: %+v", got)
		}
	}
	if got := await(sealing(rings[0], "user 0")); got.err != nil || seal.KeyID(got.key.Seal(nil, nil, "", 0)) == seal.KeyID(text) {
		t.Errorf("the new key: %+v", got)
	}
}

func TestOpen(t *testing.T) {
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()))
	for range 2 {
		open(t, nc, Config{})
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), Stream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	if cfg.DenyDelete || cfg.AllowDirect || cfg.MaxMsgsPerSubject != 1 || !cfg.DiscardNewPerSubject || cfg.Storage != jetstream.FileStorage || cfg.MaxAge != 0 {
		t.Errorf("the stream is %+v", cfg)
	}
	cfg.Metadata = map[string]string{"webim-format": "3"}
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), nc, Config{}); !errors.Is(err, format.ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
}

// TestStreamIsMadeAnewBeforeTheAnswer deletes the stream, and makes it again, before an answer comes: its sequence says nothing about the
// new stream, which has lost nothing.
func TestStreamIsMadeAnewBeforeTheAnswer(t *testing.T) {
	s := open(t, natstest.Connect(t, natstest.Start(t, t.TempDir())), Config{})
	_, err := s.found(func() (logread.Stored, error) {
		if err := s.js.DeleteStream(t.Context(), Stream); err != nil {
			t.Fatal(err)
		}
		if lost, err := s.Reopen(t.Context()); !lost || err != nil {
			t.Fatal(lost, err)
		}
		return logread.Stored{Seq: 1000}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if lost, err := s.Reopen(t.Context()); lost || err != nil {
		t.Errorf("the new stream has lost keys: %v, %v", lost, err)
	}
}
