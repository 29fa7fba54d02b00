package live

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/token"
)

// The figures of a known load are right.
func TestFigures(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{Workers: 3}, netpoll.Config{})
	const members, messages = 6, 50
	var all []*client
	for range members {
		all = append(all, n.dial(n.addr, "/big"))
	}
	n.dial(n.addr, "/small")
	wstest.Eventually(t, "all have joined", func() bool { return n.hub.Stats().Members == members+1 })
	w, _ := n.watch()
	before := w.next("figures", func(m message) bool { return m.Now != nil })
	x := before.Now
	if x.Connections != members+1 || x.Rooms != 2 || x.Members != members+1 || x.Workers != 3 || x.Delivered != 0 || x.P50 != nil || x.P99 != nil {
		t.Errorf("at rest: %+v", *x)
	}
	if x.Heap <= 0 || x.Memory <= 0 || x.Goroutines <= 0 || x.PerConn < 0 || x.PerConn >= float64(x.Memory)/(members+1) {
		t.Errorf("memory: %+v", *x)
	}
	want := []roomJSON{{"big", members, 0}, {"small", 1, 0}}
	if fmt.Sprint(before.Largest) != fmt.Sprint(want) {
		t.Errorf("the largest rooms: %v", before.Largest)
	}
	for i := range messages {
		all[i%members].say("message %d", i)
	}
	var in, out, delivered, most, busy float64
	at := x.At
	w.next("all is counted", func(m message) bool {
		if m.Now == nil {
			return false
		}
		seconds := float64(m.Now.At-at) / 1000
		at = m.Now.At
		in, out, delivered = in+m.Now.In*seconds, out+m.Now.Out*seconds, delivered+m.Now.Delivered*seconds
		busy += m.Now.Busy
		if m.Now.Busy > 3 {
			t.Errorf("%v of 3 workers are busy", m.Now.Busy)
		}
		if m.Now.P99 != nil {
			most = max(most, *m.Now.P99)
			if m.Now.P50 == nil || *m.Now.P50 > *m.Now.P99 || *m.Now.P50 <= 0 {
				t.Errorf("p50 %v, p99 %v", m.Now.P50, *m.Now.P99)
			}
		}
		return m.Now.Delivered == 0 && delivered > 0.8*members*messages // times are in milliseconds, with an error of a tenth of Every
	})
	for _, sum := range []struct {
		name      string
		got, want float64
	}{{"in", in, messages}, {"out", out, members * messages}, {"delivered", delivered, members * messages}} {
		if math.Abs(sum.got-sum.want) > 0.2*sum.want {
			t.Errorf("%s: %v in all, want %v", sum.name, sum.got, sum.want)
		}
	}
	if busy <= 0 {
		t.Error("nobody was busy with it")
	}
	if most <= 0 || most > float64(wstest.Patience/time.Millisecond) {
		t.Errorf("p99 at most %v ms", most)
	}
	if st := n.hub.Stats(); st.Delivered != members*messages {
		t.Errorf("%d deliveries", st.Delivered)
	}
}

// A client that does not read is shown with its name and the time of its last read.
func TestSlowest(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{SendBuffer: 4096, WriteTimeout: -1}, netpoll.Config{})
	ann := n.token(token.Claims{User: "ann"})
	slow, id := n.chat(ann, "r")
	_ = slow.TCP().SetReadBuffer(4096)
	n.dial(n.addr, "/other")
	w, _ := n.watch()
	var m message
	for text := []byte(strings.Repeat("x", 32<<10)); len(m.Slowest) == 0; {
		n.hub.Publish("r", engine.Message{Op: ws.OpText, Data: text}, func(_ engine.Position, err error) { n.must(err) })
		m = w.next("figures", func(m message) bool { return m.Now != nil })
	}
	c := m.Slowest[0]
	if len(m.Slowest) != 1 || c.Client != id || c.User != "ann" || c.Queued <= 0 || c.Dialect != "json" || c.Address != slow.Conn.LocalAddr().String() ||
		c.Took < c.Opened {
		t.Errorf("the slowest: %+v", m.Slowest)
	}
	if c.InRooms != 0 || c.Rooms != nil { // this list is sent each second, so it has no rooms; only find has them
		t.Errorf("rooms of the slowest: %d, %q", c.InRooms, c.Rooms)
	}
	if m.Now.Lagging != 1 || m.Now.Queued <= 0 {
		t.Errorf("figures: %+v", *m.Now)
	}
	_ = slow.Conn.Close()
	w.next("nobody is slow", func(m message) bool { return m.Now != nil && m.Now.Lagging == 0 && len(m.Slowest) == 0 })
}

// TestFiguresNameTheStore checks that the figures say why the engine's store cannot be used.
func TestFiguresNameTheStore(t *testing.T) {
	r := &reading{hub: room.Stats{Store: "the store is away"}}
	if x := r.figures(&reading{}, 0); x.Store != "the store is away" {
		t.Errorf("the store: %q", x.Store)
	}
}
