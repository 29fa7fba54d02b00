package room_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/durations"
	"webim/netpoll/wstest"
	"webim/room"
)

// holds returns the Stats of the hub without the counters of past events.
func (n *node) holds() room.Stats {
	st := n.hub.Stats()
	st.Delivered, st.DeliveryLatency, st.Sweeps, st.Swept = 0, durations.Counts{}, 0, 0
	st.Published, st.PublishLatency = 0, durations.Counts{}
	return st
}

// TestDeliveriesAreCounted checks that each message, and its latency, is counted once for each
// member to which it was offered.
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
	if total := st.DeliveryLatency.Total(); total != members*messages {
		t.Errorf("%d deliveries were measured of %d", total, members*messages)
	}
	if low, high := st.DeliveryLatency.Quantile(0), st.DeliveryLatency.Quantile(1); low <= 0 || high > wstest.Patience {
		t.Errorf("deliveries took from %v to %v", low, high)
	}
	late := n.join("/r", noDeflate) // is owed no earlier message, and none is counted
	wstest.Eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == members+1 })
	if err := n.say("r", "to all"); err != nil {
		t.Fatal(err)
	}
	late.expect(t, ws.OpText, "to all")
	wstest.Eventually(t, "the last sweep has ended", func() bool { return n.hub.Stats().Delivered == members*messages+members+1 })
}

// TestLatencyOfPartialCuts checks that the messages that a cut leaves over are measured with a later
// cut, as if they had come after those of the first.
func TestLatencyOfPartialCuts(t *testing.T) {
	n := start(t, room.Config{MaxUnswept: 1 << 30}, roomy(netpoll.Config{}))
	n.join("/r", noDeflate)
	wstest.Eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == 1 })
	r := n.room("r")
	r.Mu().Lock()
	sh := r.Groups()[room.KindOf(room.PlainDialect, netpoll.Plain, false)].Shards()[0]
	for range 4 {
		sh.G().Log().Append(ws.OpBinary, make([]byte, netpoll.MaxCut-4)) // one cut each
	}
	sh.Latency().Arrived(1000)
	began := r.Hub().Started().Add(5000)
	r.Mu().Unlock()
	for _, want := range []time.Duration{4100, 3100, 2100, 1100} {
		before := n.hub.Stats().DeliveryLatency
		if !sh.BeginSweep(began) {
			t.Fatal("nothing is pending")
		}
		if more := sh.Latency().Pending(); more != (want > 1100) {
			t.Errorf("%v: more messages are pending: %v", want, more)
		}
		sh.NextBatch(new([room.SweepBatch]room.ShardSlot))
		sh.Latency().Offer(1)
		sh.Latency().End(5100, 1, r.Hub().Deliveries())
		sh.EndSweep(time.Now())
		got := n.hub.Stats().DeliveryLatency.Since(before)
		if took := got.Quantile(1); got.Total() != 1 || took < want || took > want*5/4 {
			t.Errorf("%d messages took %v, want %v", got.Total(), took, want)
		}
	}
}
