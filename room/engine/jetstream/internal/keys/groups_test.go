package keys

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/natstest"
)

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
