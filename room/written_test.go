package room_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
)

// holds is what the hub holds: Stats without what it has done.
func (n *node) holds() room.Stats {
	st := n.hub.Stats()
	st.Delivered, st.Written = 0, netpoll.Counts{}
	return st
}

// Each message is counted once for each member that was given it, and so is how long
// that took.
func TestDeliveriesAreCounted(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{Workers: 2})
	const members, messages = 5, 40
	all := n.joinAll(members, "/r", plain)
	for i := range messages {
		if err := n.say("r", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range all {
		for i := range messages {
			c.expect(t, ws.OpText, fmt.Sprint(i))
		}
	}
	wstest.Eventually(t, "all sweeps have ended", func() bool { return n.hub.Stats().Delivered == members*messages })
	st := n.hub.Stats()
	if total := st.Written.Total(); total != members*messages {
		t.Errorf("%d deliveries were measured of %d", total, members*messages)
	}
	if low, high := st.Written.Quantile(0), st.Written.Quantile(1); low <= 0 || high > wstest.Patience {
		t.Errorf("deliveries took from %v to %v", low, high)
	}
	late := n.join("/r", noDeflate) // is owed nothing of what came before, and nothing of it is counted
	wstest.Eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == members+1 })
	if err := n.say("r", "to all"); err != nil {
		t.Fatal(err)
	}
	late.expect(t, ws.OpText, "to all")
	wstest.Eventually(t, "the last sweep has ended", func() bool { return n.hub.Stats().Delivered == members*messages+members+1 })
}

// The messages of a cut came evenly from the oldest on: the one that is alone is the
// oldest, and of four the newest came when three parts of the time were over.
func TestWaitOfTheNewest(t *testing.T) {
	n := start(t, room.Config{}, roomy(netpoll.Config{}))
	n.join("/r", noDeflate)
	wstest.Eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == 1 })
	r := n.room("r")
	sh := r.Groups()[room.KindOf(room.PlainDialect, netpoll.Plain, false)].Shards()[0]
	for _, c := range []struct {
		messages int
		newest   int64
	}{{1, 1000}, {2, 3000}, {4, 4000}} {
		r.Mu().Lock()
		for range c.messages {
			sh.G().Log().Append(ws.OpText, []byte("hello"))
		}
		sh.SetSince(1000)
		r.Mu().Unlock()
		if !sh.Begin(r.Hub().Started().Add(5000)) {
			t.Fatal("nothing is pending")
		}
		if sh.Oldest() != 1000 || sh.Newest() != c.newest || sh.Since() != 0 {
			t.Errorf("of %d the oldest came at %d, the newest at %d", c.messages, sh.Oldest(), sh.Newest())
		}
		sh.Batch(new([room.SweepBatch]room.Place))
		sh.End(time.Now())
	}
}

// What a cut leaves over has not waited as long as the oldest message, and not as
// short as if it had come just now.
func TestWaitOfWhatIsLeftOver(t *testing.T) {
	n := start(t, room.Config{MaxUnswept: 1 << 30}, roomy(netpoll.Config{}))
	n.join("/r", noDeflate)
	wstest.Eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == 1 })
	r := n.room("r")
	r.Mu().Lock()
	sh := r.Groups()[room.KindOf(room.PlainDialect, netpoll.Plain, false)].Shards()[0]
	for range 4 {
		sh.G().Log().Append(ws.OpBinary, make([]byte, netpoll.MaxCut-4)) // a cut each
	}
	sh.SetSince(1000)
	hub := r.Hub()
	r.Mu().Unlock()
	for _, want := range []struct{ oldest, since int64 }{{1000, 2000}, {2000, 3000}, {3000, 4000}, {4000, 0}} {
		if !sh.Begin(hub.Started().Add(5000)) {
			t.Fatal("nothing is pending")
		}
		if sh.Oldest() != want.oldest || sh.Since() != want.since {
			t.Errorf("the oldest of the cut came at %d, of the rest at %d; want %+v", sh.Oldest(), sh.Since(), want)
		}
		sh.Batch(new([room.SweepBatch]room.Place))
		sh.End(time.Now())
	}
}
