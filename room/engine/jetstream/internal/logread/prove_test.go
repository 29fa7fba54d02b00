package logread

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/internal/subject"
	"webim/room/engine/jetstream/natstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

const (
	stream = "X"
	prefix = "x."
)

var markers = subject.Markers{Prefix: prefix}

// start starts a server with a stream, and returns a Leader.
func start(t *testing.T) (*embedded.Server, jetstream.Stream, Leader) {
	t.Helper()
	server := natstest.Start(t, t.TempDir())
	nc := natstest.Connect(t, server)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: stream, Subjects: []string{prefix + "*"}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true})
	if err != nil {
		t.Fatal(err)
	}
	return server, s, New(nc, Config{}).Leader()
}

// count returns a function that counts the messages with a subject that the server gets.
func count(t *testing.T, nc *nats.Conn, subject string) func() int {
	t.Helper()
	sub, err := nc.SubscribeSync(subject)
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() int {
		n, _, err := sub.Pending()
		if err != nil {
			t.Error(err)
		}
		return n
	}
}

// wantMessages checks how many messages the stream has.
func wantMessages(t *testing.T, s jetstream.Stream, want uint64) {
	t.Helper()
	if info, err := s.Info(t.Context()); err != nil || info.State.Msgs != want {
		t.Errorf("%+v, %v, want %d messages", info, err, want)
	}
}

// TestManyProofs asks for many messages that are not there: all get an answer, one proof serves many of them, and the stream has
// no marker afterwards. A call that ends meanwhile takes no other one with it.
func TestManyProofs(t *testing.T) {
	server, s, l := start(t)
	nc := natstest.Connect(t, server)
	marked, reads := count(t, nc, prefix+"*"), count(t, nc, "$JS.API.STREAM.MSG.GET."+stream)
	v, p, _ := l.r.join(stream, markers)
	v.turn <- struct{}{}
	v.next = nil
	close(p.done)
	read := func(ctx context.Context, done chan<- error) {
		_, err := l.Sure(ctx, stream, markers, func() (Stored, error) { return l.Last(ctx, stream, prefix+"none") })
		done <- err
	}
	first, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go read(first, ended)
	wstest.Eventually(t, "the first one waits", func() bool { l.r.mu.Lock(); defer l.r.mu.Unlock(); return v.next != nil })
	const n = 30
	answers := make(chan error, n)
	for range n {
		go read(t.Context(), answers)
	}
	wstest.Eventually(t, "all were asked for", func() bool { return reads() == n+1 })
	end()
	if err := <-ended; !errors.Is(err, ErrUnavailable) {
		t.Errorf("the call that has ended: %v", err)
	}
	if got := marked(); got != 0 {
		t.Errorf("%d markers before it is the turn", got)
	}
	<-v.turn
	for range n {
		if err := <-answers; !errors.Is(err, ErrNone) {
			t.Error(err)
		}
	}
	wstest.Eventually(t, "a marker was seen", func() bool { return marked() > 0 })
	if got := marked(); got > n/2 {
		t.Errorf("%d markers for %d messages", got, n)
	}
	wantMessages(t, s, 0)
}

// TestMarkerThatStays leaves a marker in the stream: the next proof deletes it.
func TestMarkerThatStays(t *testing.T) {
	_, s, l := start(t)
	v, p, _ := l.r.join(stream, markers)
	v.left, v.next = true, nil
	close(p.done)
	if _, err := l.Mark(t.Context(), stream, v.marker, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Prove(t.Context(), stream, markers); err != nil {
			t.Error(err)
		}
		wantMessages(t, s, 0)
	}
	if !markers.Has(v.marker) || markers.Has(prefix+"proof-") {
		t.Errorf("the marker is %s", v.marker)
	}
}

// TestNoProof makes proofs that prove nothing: without space, without a turn, without a stream, and in another stream.
func TestNoProof(t *testing.T) {
	_, s, l := start(t)
	if _, err := l.Mark(t.Context(), stream, prefix+"ann", nil); err != nil {
		t.Fatal(err)
	}
	full := s.CachedInfo().Config
	full.MaxMsgs = 1
	js, err := jetstream.New(l.r.nc)
	if err == nil {
		_, err = js.UpdateStream(t.Context(), full)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Prove(t.Context(), stream, markers); !errors.Is(err, ErrFull) || !errors.Is(err, ErrUnavailable) {
		t.Errorf("in a full stream: %v", err)
	}
	if err := l.Reach(t.Context(), stream, markers); err != nil {
		t.Errorf("the proof of a full stream: %v", err)
	}
	if last, err := l.End(t.Context(), stream, markers); last != 1 || err != nil {
		t.Errorf("the end of a full stream is %d, %v", last, err)
	}
	wantMessages(t, s, 1)
	if err := l.Prove(t.Context(), "Y", subject.Markers{Prefix: "y."}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a stream: %v", err)
	}
	if err := l.Applied(t.Context(), "Y"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a stream: %v", err)
	}
	if err := l.Unmark(t.Context(), stream, 1); err != nil {
		t.Error(err)
	}
	if err := l.Prove(t.Context(), "Z", markers); !errors.Is(err, ErrUnavailable) {
		t.Errorf("in another stream: %v", err)
	}
	if err := l.Prove(t.Context(), stream, markers); !errors.Is(err, ErrFull) {
		t.Errorf("with the marker of the other one: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	v, _, _ := l.r.join(stream, markers)
	v.next = nil
	v.turn <- struct{}{}
	if err := l.Prove(ended, stream, markers); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a turn: %v", err)
	}
	full.DenyDelete = true
	if _, err := js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	if err := l.Applied(t.Context(), stream); !errors.Is(err, ErrUnavailable) {
		t.Errorf("with another refusal: %v", err)
	}
}
