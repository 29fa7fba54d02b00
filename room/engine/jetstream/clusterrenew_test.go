package jetstream

import (
	"fmt"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/streams"
)

// TestRenewInCluster renews the incarnation of a replicated stream, which the other node follows, and changes its replicas: no change is
// taken for an undone one.
func TestRenewInCluster(t *testing.T) {
	servers := startCluster(t)
	a := openOn(t, servers, 0, Config{Keep: always})
	b := openOn(t, servers, 1, Config{Keep: always})
	for i := range 3 {
		if got := publish(t, a, "r", said("ann", fmt.Sprint(i))); got.err != nil {
			t.Fatal(got.err)
		}
	}
	if err := checkReadable(t, b, "r", engine.Span{Limit: -1}, "0 1 2"); err != nil {
		t.Error(err)
	}
	c := a.class("r")
	was := *c.incarnation.Load()
	c.known.See(was, c.known.Last().Seq+100)
	if err := a.openClass(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	renewed := *c.incarnation.Load()
	if renewed == was {
		t.Error("the incarnation is the same")
	}
	b.compare()
	wstest.Eventually(t, "the other node follows", func() bool { return *b.class("r").incarnation.Load() == renewed })
	s, err := a.streams.Find(t.Context(), c.Stream)
	if err != nil {
		t.Fatal(err)
	}
	want := s.CachedInfo().Config
	for _, replicas := range []int{1, 3} {
		o := *a.streams
		o.Replicas = replicas
		s, err := o.Open(t.Context(), want)
		if err != nil || s.CachedInfo().Config.Replicas != replicas || streams.Incarnation(s) != renewed {
			t.Fatalf("with %d replicas: %v", replicas, err)
		}
	}
}
