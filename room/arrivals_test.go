package room

import (
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
)

// A crowd is many connections in a short time, whenever somebody looked last.
func TestArrivals(t *testing.T) {
	var a arrivals
	now := int64(time.Hour)
	perSpan := int64(crowdRate * crowdSpan.Seconds() * float64(runtime.GOMAXPROCS(0)))
	for i, c := range []struct {
		after time.Duration
		came  int64
		want  bool
	}{
		{0, 0, false},
		{crowdSpan, perSpan - 1, false},
		{crowdSpan, perSpan + 1, true},
		{crowdSpan / 2, 0, true}, // too early to tell
		{crowdSpan / 2, perSpan + 1, true},
		{crowdSpan, 0, false},
		{time.Second, perSpan + 1, false}, // over a second they are few
		{crowdSpan / 2, 5 * perSpan, false},
		{crowdSpan / 2, 0, true},
	} {
		now += int64(c.after)
		a.n.Add(c.came)
		if got := a.areMany(now); got != c.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

func TestPauseAfter(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		spent       time.Duration
		lone, crowd bool
		longest     time.Duration
		want        time.Duration
	}{
		{ms, false, false, 25 * ms, 12 * ms},
		{5 * ms, false, false, 25 * ms, 25 * ms},
		{5 * ms, true, false, 25 * ms, 0},
		{ms, true, true, 25 * ms, 40 * ms},
		{ms, false, true, 25 * ms, 40 * ms},
		{5 * ms, true, true, 25 * ms, 100 * ms},
		{10 * time.Microsecond, false, true, 25 * ms, 0}, // too short for a timer
		{5 * ms, false, false, -1, 0},
		{5 * ms, true, true, -1, 0}, // without pauses there is none for a crowd either
	} {
		if got := pauseAfter(c.spent, c.lone, c.crowd, loadFull, c.longest); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Connections of either dialect are arrivals, and while they are many a shard rests after
// a lone message, too, and sends the messages that come meanwhile together.
func TestShardRestsForACrowd(t *testing.T) {
	for _, crowd := range []bool{false, true} {
		n := start(t, Config{MaxPause: time.Hour}, netpoll.Config{})
		c := n.join("/r", noDeflate)
		n.chat()
		if got := n.hub.arrivals.n.Load(); got != 2 {
			t.Errorf("%d arrivals", got)
		}
		r := n.room("r")
		r.mu.Lock()
		sh := r.groups[kindOf(plainDialect, netpoll.Plain, false)].shards[0]
		sh.g.log.Append(ws.OpText, []byte("lone"))
		r.mu.Unlock()
		if !sh.begin(time.Now()) {
			t.Fatal("nothing is pending")
		}
		sh.batch(new([sweepBatch]place))
		sh.spent = time.Hour
		if crowd {
			n.hub.arrivals.n.Add(1 << 40)
		}
		sh.end(time.Now().Add(crowdSpan))
		if sh.resting != crowd {
			t.Errorf("a crowd: %v; it rests: %v", crowd, sh.resting)
		}
		for _, text := range []string{"one", "two"} {
			if err := n.say("r", text); err != nil {
				t.Fatal(err)
			}
		}
		if crowd {
			r.mu.Lock()
			if sh.cursor == sh.g.log.End() || !sh.resting {
				t.Error("it was swept meanwhile")
			}
			r.mu.Unlock()
			sh.rested()
		}
		c.expect(t, ws.OpText, "one")
		c.expect(t, ws.OpText, "two")
	}
}
