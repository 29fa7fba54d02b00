package room_test

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
)

var text128 = engine.Message{Op: ws.OpText, Data: make([]byte, 128)}

// BenchmarkPublish is what a message costs its publisher: its place, and its
// encoding into the log of a room that rests. Without a history no more than
// the log's segments is allocated: less than once an operation.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		name    string
		history int
		members bool
	}{{"nobody", -1, false}, {"room", -1, true}, {"nobody, history", 100, false}, {"room, history", 100, true}} {
		b.Run(c.name, func(b *testing.B) {
			n := start(b, room.Config{Engine: memory.New(memory.Limits{MaxMessages: c.history}), MaxUnswept: 1 << 62}, netpoll.Config{Workers: 1})
			sweep := func() {}
			if c.members {
				go io.Copy(io.Discard, n.join("/r", noDeflate).Reader)
				sweep = holdSweeps(b, n.room("r"))
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(text128.Data)))
			for k := 0; b.Loop(); k++ {
				n.hub.Publish("r", text128, nil)
				if c.members && k%1000 == 999 { // its log must not grow for ever
					b.StopTimer()
					sweep()
					sweep = holdSweeps(b, n.room("r"))
					b.StartTimer()
				}
			}
		})
	}
}

// readers take all that comes and tell when each has got so many bytes.
type readers struct {
	left atomic.Int64
	got  chan struct{}
	wg   sync.WaitGroup
}

func (rs *readers) read(c *client, buf []byte) {
	for {
		k, err := c.Reader.Read(buf)
		if k > 0 && rs.left.Add(-int64(k)) == 0 {
			rs.got <- struct{}{}
		}
		if err != nil {
			return
		}
	}
}

// BenchmarkSweep is a batch of messages published to 1,000 members and read by
// them all, the readers' work included; per delivery it is the metric beside.
// Nothing is allocated for each member: what is, is the log's.
func BenchmarkSweep(b *testing.B) {
	const members = 1000
	for _, batch := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(batch, " messages"), func(b *testing.B) {
			n := start(b, room.Config{MaxPause: -1, Engine: memory.New(memory.Limits{MaxMessages: -1})}, netpoll.Config{})
			rs := readers{got: make(chan struct{})}
			all := n.joinAll(members, "/r", plain)
			for _, c := range all {
				c.Conn.SetDeadline(time.Time{})
				buf := make([]byte, 64<<10)
				rs.wg.Go(func() { rs.read(c, buf) })
			}
			frame := len(ws.MustCompileFrame(ws.NewTextFrame(text128.Data)))
			r := n.room("r")
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				rs.left.Store(int64(members * batch * frame))
				release := holdSweeps(b, r)
				b.StartTimer()
				for range batch {
					n.hub.Publish("r", text128, nil)
				}
				release()
				<-rs.got
			}
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members*batch), "ns/delivery")
			for _, c := range all {
				c.Conn.Close()
			}
			rs.wg.Wait()
		})
	}
}
