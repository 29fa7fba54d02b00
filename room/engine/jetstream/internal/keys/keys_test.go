package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/format"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/natstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// users have names of each kind.
var users = []string{"ann", "", "bob smith", "user.42.>", "*", "聊天", strings.Repeat("x", 255)}

func open(t *testing.T, nc *nats.Conn, cfg Config) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wstest.Patience)
	defer cancel()
	s, err := Open(ctx, nc, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// answer is what a method of the Store calls back with.
type answer struct {
	record  []byte
	created bool
	err     error
}

func receive(t *testing.T, c <-chan answer) answer {
	t.Helper()
	select {
	case a := <-c:
		return a
	case <-time.After(wstest.Patience):
		t.Fatal("no answer")
		panic("unreachable")
	}
}

func get(t *testing.T, s *Store, user string) answer {
	t.Helper()
	c := make(chan answer, 1)
	s.Get(user, 0, true, func(record []byte, _ bool, err error) { c <- answer{record: record, err: err} })
	return receive(t, c)
}

func create(t *testing.T, s *Store, user string, record []byte) answer {
	t.Helper()
	c := make(chan answer, 1)
	s.Create(user, record, "", func(created bool, err error) { c <- answer{created: created, err: err} })
	return receive(t, c)
}

func del(t *testing.T, s *Store, user string) error {
	t.Helper()
	c := make(chan answer, 1)
	s.Delete(user, func(err error) { c <- answer{err: err} })
	return receive(t, c).err
}

// record returns a record for a user that a search finds.
func record(user string, n byte) []byte {
	return append([]byte{0, 0, 0, 0, 0, 0, 1, n}, fmt.Sprintf("%-31.31s%c", "secret of "+user, 'a'+n)...)
}

// filesWith returns the files below a folder that hold these bytes.
func filesWith(t *testing.T, dir string, what []byte) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		if bytes.Contains(content, what) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

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

// TestCommit checks that no change is done before it is on the disk.
func TestCommit(t *testing.T) {
	var mu sync.Mutex
	var streams []string
	fault := errors.New("the disk does not sync")
	var now error
	s := open(t, natstest.Connect(t, natstest.Start(t, t.TempDir())), Config{Commit: func(stream string, done func(error)) {
		mu.Lock()
		streams = append(streams, stream)
		err := now
		mu.Unlock()
		done(err)
	}})
	if a := create(t, s, "ann", record("ann", 1)); a.err != nil || !a.created {
		t.Errorf("%+v", a)
	}
	if a := create(t, s, "ann", record("ann", 2)); a.err != nil || a.created {
		t.Errorf("%+v", a)
	}
	if err := del(t, s, "ann"); err != nil {
		t.Error(err)
	}
	mu.Lock()
	if len(streams) != 2 || streams[0] != Stream || streams[1] != Stream {
		t.Errorf("committed %q", streams)
	}
	now = fault
	mu.Unlock()
	if a := create(t, s, "ann", record("ann", 1)); a.err != fault || a.created {
		t.Errorf("%+v", a)
	}
	if err := del(t, s, "ann"); err != fault {
		t.Error(err)
	}
}

// TestErrors checks the errors while the server is away, and when it has no space.
func TestErrors(t *testing.T) {
	small, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	small.Start()
	nc, err := nats.Connect("", nats.InProcessServer(small))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	s := open(t, nc, Config{})
	var full error
	for i := 0; full == nil; i++ {
		if i == 20 {
			t.Fatal("the store takes more than its maximum")
		}
		full = create(t, s, fmt.Sprint(i), make([]byte, 64<<10)).err
	}
	if !errors.Is(full, engine.ErrStoreFull) {
		t.Errorf("a full store: %v", full)
	}
	lost := make(chan bool)
	nc.SetDisconnectErrHandler(func(*nats.Conn, error) { close(lost) })
	small.Shutdown()
	small.WaitForShutdown()
	<-lost
	if a := get(t, s, "ann"); !errors.Is(a.err, engine.ErrUnavailable) {
		t.Errorf("reading: %+v", a)
	}
	if a := create(t, s, "ann", record("ann", 1)); !errors.Is(a.err, engine.ErrUnavailable) {
		t.Errorf("creating: %+v", a)
	}
	if err := del(t, s, "ann"); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("deleting: %v", err)
	}
}

// TestNumberOfKeys checks that the number of keys is limited, and that a deleted key makes space for another one.
func TestNumberOfKeys(t *testing.T) {
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()))
	s := open(t, nc, Config{})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), Stream)
	if err != nil {
		t.Fatal(err)
	}
	few := stream.CachedInfo().Config
	if few.MaxMsgs != MaxKeys {
		t.Errorf("the stream takes %d keys", few.MaxMsgs)
	}
	few.MaxMsgs = 2
	if _, err := js.UpdateStream(t.Context(), few); err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, nil, engine.ErrStoreFull} {
		if a := create(t, s, users[i], record(users[i], 1)); !errors.Is(a.err, want) || a.created != (want == nil) {
			t.Errorf("key %d: %+v, want %v", i, a, want)
		}
	}
	if err := del(t, s, users[0]); err != nil {
		t.Error(err)
	}
	if a := create(t, s, users[2], record(users[2], 1)); a.err != nil || !a.created {
		t.Errorf("after a key was deleted: %+v", a)
	}
	open(t, nc, Config{})
	if stream, err = js.Stream(t.Context(), Stream); err != nil || stream.CachedInfo().Config.MaxMsgs != MaxKeys {
		t.Errorf("opened again, the stream takes %d keys, %v", stream.CachedInfo().Config.MaxMsgs, err)
	}
}

// TestUnanswered checks the errors of changes that the server does not answer: they may have been made.
func TestUnanswered(t *testing.T) {
	server := natstest.Start(t, t.TempDir())
	nc := natstest.Connect(t, server)
	s := open(t, nc, Config{Timeout: 50 * time.Millisecond})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), Stream); err != nil {
		t.Fatal(err)
	}
	if a := create(t, s, "ann", record("ann", 1)); !errors.Is(a.err, engine.ErrUnavailable) {
		t.Errorf("without a stream: %+v", a)
	}
	if a := get(t, s, "ann"); !errors.Is(a.err, engine.ErrUnavailable) {
		t.Errorf("reading without a stream: %+v", a)
	}
	sub, err := nc.SubscribeSync("key.*") // somebody who never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if a := create(t, s, "ann", record("ann", 1)); !errors.Is(a.err, engine.ErrUnknown) {
		t.Errorf("without an answer: %+v", a)
	}
}

// TestUnansweredWaitTogether asks for many keys at once while nobody answers. All end when the first ones do, and those
// that have only waited have sent no request.
func TestUnansweredWaitTogether(t *testing.T) {
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()))
	s := open(t, nc, Config{Timeout: time.Second, Parallel: 2})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), Stream); err != nil {
		t.Fatal(err)
	}
	asked, err := nc.SubscribeSync("key.*") // it never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = asked.Unsubscribe() }()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	const n = 200 // one after the other, they would take 100 s
	answers := make(chan answer, n)
	for i := range n {
		user := fmt.Sprint("user", i)
		s.Create(user, record(user, 1), "", func(created bool, err error) { answers <- answer{created: created, err: err} })
	}
	unknown := 0
	for range n {
		switch a := receive(t, answers); {
		case errors.Is(a.err, engine.ErrUnknown):
			unknown++
		case !errors.Is(a.err, engine.ErrUnavailable):
			t.Errorf("%+v", a)
		}
	}
	if sent, _, err := asked.Pending(); err != nil || sent > unknown {
		t.Errorf("%d requests were sent, %v, and the outcome of %d is unknown", sent, err, unknown)
	}
	if unknown == n {
		t.Error("all requests were sent, one after the other")
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

func never() bool { return false }

// TestGroups checks that the keys of a payer are counted, also by another node, after a restart, and after a loss of the stream,
// and that payers in other groups have a share of their own.
func TestGroups(t *testing.T) {
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()))
	s, other := open(t, nc, Config{}), open(t, nc, Config{})
	count := func(s *Store, payer string) int {
		t.Helper()
		if _, err := s.Count(t.Context(), never); err != nil {
			t.Fatal(err)
		}
		mark, ok := s.Mark(payer)
		group, err := strconv.Atoi(mark)
		if err != nil || !ok {
			t.Fatalf("the mark is %q, %v", mark, ok)
		}
		return s.groups.keys[group]
	}
	if a, _ := s.Mark("addr:192.0.2.1"); a == "" {
		t.Error("a payer has no group")
	} else if b, _ := other.Mark("addr:192.0.2.1"); a != b {
		t.Errorf("nodes sort a payer into the groups %s and %s", a, b)
	}
	for i := range 10 {
		mark := ""
		if i < 7 {
			mark, _ = s.Mark("addr:192.0.2.1")
		}
		c := make(chan answer, 1)
		s.Create(fmt.Sprint("guest", i), record("guest", byte(i)), mark, func(created bool, err error) { c <- answer{created: created, err: err} })
		if a := receive(t, c); !a.created {
			t.Fatal(a.err)
		}
		if n := count(other, "addr:192.0.2.1"); n != min(i+1, 7) {
			t.Errorf("after %d keys another node counts %d", i+1, n)
		}
	}
	if n := count(s, "addr:192.0.2.1"); n != 7 {
		t.Errorf("the node counts %d", n)
	}
	if err := del(t, s, "guest0"); err != nil {
		t.Fatal(err)
	}
	again := open(t, nc, Config{})
	if _, err := again.Count(t.Context(), func() bool { return true }); err != nil {
		t.Errorf("a count that is stopped: %v", err)
	}
	if n, m := count(again, "addr:192.0.2.1"), count(again, "addr:198.51.100.7"); n != 6 || m != 0 {
		t.Errorf("after a restart: %d, and %d of another payer", n, m)
	}
	mark, _ := again.Mark("addr:192.0.2.1")
	group, _ := strconv.Atoi(mark)
	again.groups.keys[group] = again.cfg.MaxShare
	if _, ok := again.Mark("addr:192.0.2.1"); ok {
		t.Error("a payer makes more keys than its share")
	}
	if _, ok := again.Mark("addr:198.51.100.7"); !ok {
		t.Error("another payer makes none")
	}
	if err := again.js.DeleteStream(t.Context(), Stream); err != nil {
		t.Fatal(err)
	}
	if lost, err := again.Reopen(t.Context()); !lost || err != nil {
		t.Fatalf("%v, %v", lost, err)
	}
	if n := count(again, "addr:192.0.2.1"); n != 0 {
		t.Errorf("in a new stream: %d", n)
	}
}

// BenchmarkCount counts the keys of a store as a node does at its start.
func BenchmarkCount(b *testing.B) {
	const n = 100_000
	nc := natstest.Connect(b, natstest.Start(b, b.TempDir()))
	s, err := Open(b.Context(), nc, Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range n {
		if err := nc.PublishMsg(&nats.Msg{Subject: subjectOf(fmt.Sprint("guest", i), 0), Header: nats.Header{hdrGroup: {"7"}}, Data: record("guest", 1)}); err != nil {
			b.Fatal(err)
		}
	}
	wstest.Eventually(b, "the keys are stored", func() bool {
		info, err := s.stream.Info(b.Context())
		return err == nil && info.State.Msgs == n
	})
	for b.Loop() {
		s.groups.forget()
		if _, err := s.Count(b.Context(), never); err != nil || s.groups.keys[7] != n {
			b.Fatalf("%d, %v", s.groups.keys[7], err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/key")
}
