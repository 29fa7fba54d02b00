package keys

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/natstest"
)

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

// TestFull checks that each code of the server for a lack of space is known.
func TestFull(t *testing.T) {
	full, away := engine.ErrStoreFull, engine.ErrUnavailable
	for code, want := range map[jetstream.ErrorCode]error{10002: full, 10023: full, 10047: full, 10077: full, 10008: away} {
		if err := changeError(&jetstream.APIError{ErrorCode: code}); !errors.Is(err, want) {
			t.Errorf("%d: %v", code, err)
		}
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
	s := open(t, nc, Config{Timeout: time.Second})
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
