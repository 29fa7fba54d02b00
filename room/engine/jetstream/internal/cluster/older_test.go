package cluster

import (
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/internal/frames"
)

// TestOlder tells nodes that know rounds from those of webim 0.1.0, by their beats. A node that could not hear begins anew.
func TestOlder(t *testing.T) {
	s := startServer(t)
	a := start(t, s, Config{Beat: 10 * time.Millisecond, Lease: time.Hour})
	b := start(t, s, Config{Beat: 10 * time.Millisecond, Lease: time.Hour})
	nc := connect(t, s)
	heard := func(c *node) func() bool {
		return func() bool { return len(c.alive()) > 0 }
	}
	wstest.Eventually(t, "both know each other", func() bool { return heard(a)() && heard(b)() })
	if _, node := a.Older(); node != "" {
		t.Errorf("%s is older", node)
	}
	before := time.Now()
	forge(t, nc, subjectAlive, "", frames.Frame{From: "x", Kind: frames.Beat})
	wstest.Eventually(t, "the older node is heard", func() bool {
		since, node := a.Older()
		return node == "x" && since.After(before)
	})
	a.mu.Lock()
	a.echo = time.Now().Add(-time.Hour)
	a.mu.Unlock()
	at := time.Now()
	a.hears(at.Add(time.Second))
	if since, _ := a.Older(); since.Before(at) {
		t.Error("a node that did not hear itself would have heard others")
	}
	a.Lost()
	at = time.Now()
	if err := a.Back(t.Context()); err != nil {
		t.Fatal(err)
	}
	if since, _ := a.Older(); since.Before(at) {
		t.Error("a node that had lost its connection would have heard others")
	}
}
