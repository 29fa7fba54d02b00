package jetstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/seal"
)

// TestCollectOnACluster removes unused keys on a cluster of three servers, of which the one that leads a stream stops in the
// middle of a round. Whatever was acknowledged can be read, also of a user whose key was just being removed, and in the end each
// unused key is gone.
func TestCollectOnACluster(t *testing.T) {
	for at, stream := range map[string]string{"look again": ever, "delete": "KEYS"} {
		t.Run(at, func(t *testing.T) { collectOnACluster(t, at, stream) })
	}
}

func collectOnACluster(t *testing.T, at, stream string) {
	servers := startCluster(t)
	b := openOn(t, servers, 1, collecting(nil))
	unknown := 0
	again := func() {
		wstest.Eventually(t, "a user whose key is being removed says something", func() bool {
			err := publish(t, b, "of u0", said("u0", "again")).err
			if errors.Is(err, engine.ErrUnknown) {
				unknown++
			}
			return err == nil
		})
	}
	stopped := false
	a := openOn(t, servers, 0, collecting(func(_ *Engine, name string) error {
		if name == at && !stopped {
			stopped = true
			stopLeader(t, servers, stream)
			again()
		}
		return nil
	}))
	const n = 12
	var want []string // the users that need their keys
	for i := range n {
		user := fmt.Sprint("u", i)
		if got := publish(t, []*Engine{a, b}[i/2%2], "of "+user, said(user, "x")); got.err != nil {
			t.Fatal(got.err)
		}
		if i%2 == 0 {
			expire(t, a, "of "+user, 0)
		}
		if i == 0 || i%2 == 1 {
			want = append(want, user)
		}
	}
	slices.Sort(want)
	collectNow(t, a)
	if !stopped {
		t.Fatal("no server was stopped, so the test proves nothing")
	}
	eventually(t, func() error {
		collectNow(t, a)
		var all []string
		err := b.userKeys.Each(t.Context(), func(user string, _ []byte) error { all = append(all, user); return nil })
		if slices.Sort(all); err == nil && !slices.Equal(all, want) {
			err = fmt.Errorf("%q have keys, want %q", all, want)
		}
		return err
	})
	for _, e := range []*Engine{a, b, openOn(t, servers, 2, Config{Keep: always})} {
		for _, user := range want {
			text := "x"
			if user == "u0" {
				text = "again"
			}
			got, err := readable(history(t, e, "of "+user, engine.Span{Limit: -1}))
			if n := strings.Count(got, text); err != nil || n < 1 || user != "u0" && got != text || n > 1+unknown {
				t.Errorf("%s has %q, %v", user, got, err)
			}
		}
	}
}

// TestCollectManyKeys removes the unused keys among many, of which each has a text: with WEBIM_LONG=1 among a million.
func TestCollectManyKeys(t *testing.T) {
	n, every := 6000, 300 // keys, and of how many one is unused
	if wstest.Long() {
		n, every = 1_000_000, 1000
	}
	cfg := collecting(nil)
	cfg.unused.wait = 100 * time.Millisecond // the collector says that often that it lives
	var heap runtime.MemStats
	cfg.unused.step = func(_ *Engine, name string) error {
		if name == "naming" { // it knows all keys
			runtime.GC()
			runtime.ReadMemStats(&heap)
		}
		return nil
	}
	s := startServer(t)
	e := open(t, s, cfg)
	if got := publish(t, e, "of ann", said("ann", "x")); got.err != nil {
		t.Fatal(got.err)
	}
	c := e.class("r")
	js, err := jetstream.New(e.nc, jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { t.Error(err) }))
	if err != nil {
		t.Fatal(err)
	}
	put := func(subject string, data []byte) {
		if _, err := js.PublishAsync(subject, data, jetstream.WithStallWait(wstest.Patience)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for i := range n {
		id := uint64(i + 1)
		user := fmt.Sprint("user", i)
		put("key."+user, append(binary.BigEndian.AppendUint64(nil, id), make([]byte, seal.RecordSize-8)...))
		if i%every == 0 {
			continue
		}
		sealed := append(binary.BigEndian.AppendUint64(nil, id), make([]byte, envelope.MinSealed)...)
		put(c.Room("r"), envelope.Append(nil, &envelope.Envelope{Op: ws.OpText, HasAuthor: true, From: engine.Author{User: user}, Sealed: sealed}))
	}
	<-js.PublishAsyncComplete()
	stored := time.Since(began)
	began = time.Now()
	collectNow(t, e)
	t.Logf("%d keys were stored in %v, and %d unused ones removed in %v; %d MB of memory were in use", n, stored.Round(time.Millisecond), n/every, time.Since(began).Round(time.Millisecond), heap.HeapAlloc>>20)
	all, err := e.userKeys.List(t.Context(), func(time.Duration) error { return nil })
	if err != nil || len(all) != n-n/every+1 {
		t.Errorf("%d keys are left, %v, want %d", len(all), err, n-n/every+1)
	}
	for _, k := range all {
		if k.ID <= uint64(n) && (k.ID-1)%uint64(every) == 0 {
			t.Fatalf("the unused key %d is left", k.ID)
		}
	}
	if err := checkReadable(t, open(t, s, Config{Keep: always}), "of ann", engine.Span{Limit: -1}, "x"); err != nil {
		t.Error(err)
	}
}
