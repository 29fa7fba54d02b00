package room_test

import (
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
)

// A crowd is many connections in one short span, and is over soon after it: 1,000 clients
// that connected before a server's first message are none.
func TestArrivals(t *testing.T) {
	const few, many = 99, 100
	a := room.NewArrivals(room.CrowdOf(2))
	now := int64(time.Hour)
	for i, c := range []struct {
		after time.Duration
		came  int
		want  bool
	}{
		{0, 0, false},
		{room.CrowdSpan, few, false},
		{room.CrowdSpan, few, false},
		{room.CrowdSpan, many, true},
		{room.CrowdSpan, 0, true}, // it may go on
		{room.CrowdSpan, 0, false},
		{time.Second, 10 * many, true},
		{time.Second, 0, false}, // it is over, whenever somebody looked last
		{time.Second, few, false},
		{time.Second, many, true},
		{room.CrowdSpan / 2, few, true},
	} {
		now += int64(c.after)
		for range c.came {
			a.Came(now)
		}
		if got := a.AreMany(now); got != c.want {
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
		if got := room.PauseAfter(c.spent, c.lone, c.crowd, room.LoadFull, c.longest); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Connections of either dialect are arrivals, and while they are many a shard rests after
// a lone message, too, and sends the messages that come meanwhile together.
func TestShardRestsForACrowd(t *testing.T) {
	for _, crowd := range []bool{false, true} {
		n := start(t, room.Config{MaxPause: time.Hour}, netpoll.Config{})
		a := n.hub.Arrivals()
		c := n.join("/r", noDeflate)
		if a.N().Swap(0) == 0 {
			t.Error("a connection of the plain dialect is no arrival")
		}
		n.chat()
		if a.N().Load() == 0 {
			t.Error("a session is no arrival")
		}
		r := n.room("r")
		r.Mu().Lock()
		sh := r.Groups()[room.KindOf(room.PlainDialect, netpoll.Plain, false)].Shards()[0]
		sh.G().Log().Append(ws.OpText, []byte("lone"))
		r.Mu().Unlock()
		if !sh.Begin(time.Now()) {
			t.Fatal("nothing is pending")
		}
		sh.Batch(new([room.SweepBatch]room.Place))
		sh.SetSpent(time.Hour)
		if crowd {
			a.Crowd().Store(n.hub.Now())
		}
		sh.End(time.Now())
		if sh.Resting() != crowd {
			t.Errorf("a crowd: %v; it rests: %v", crowd, sh.Resting())
		}
		for _, text := range []string{"one", "two"} {
			if err := n.say("r", text); err != nil {
				t.Fatal(err)
			}
		}
		if crowd {
			r.Mu().Lock()
			if sh.Cursor() == sh.G().Log().End() || !sh.Resting() {
				t.Error("it was swept meanwhile")
			}
			r.Mu().Unlock()
			sh.Rested()
		}
		c.expect(t, ws.OpText, "one")
		c.expect(t, ws.OpText, "two")
	}
}
