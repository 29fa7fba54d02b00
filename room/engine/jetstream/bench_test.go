package jetstream

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
)

// counter is a subscriber that only counts.
type counter struct{ n atomic.Int64 }

func (c *counter) Begin(engine.Position)              {}
func (c *counter) Deliver(engine.Publication)         { c.n.Add(1) }
func (c *counter) Notify(engine.Notice)               {}
func (c *counter) Erased(string, time.Time)           {}
func (c *counter) Members(int) ([]engine.Author, int) { return nil, 0 }
func (c *counter) Count(func(string)) (int, int)      { return 0, 0 }

// BenchmarkPublish publishes messages of 128 bytes in 100 rooms with members, with as many under way as
// the store takes, with and without a key, until all are acknowledged and delivered.
func BenchmarkPublish(b *testing.B) {
	for _, keyed := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "keys"}[keyed], func(b *testing.B) {
			e := open(b, startServer(b), Config{Keep: always, MaxKeys: 1 << 20})
			var c counter
			var rooms [100]string
			for i := range rooms {
				rooms[i] = strconv.Itoa(i)
				e.Subscribe(rooms[i], budget.Owner{}, &c)
			}
			m := engine.Message{Op: ws.OpText, Data: make([]byte, 128), From: &engine.Author{User: "anna", Client: "0123456789abcdef"}}
			slots := make(chan struct{}, 2000)
			done := func(_ engine.Position, err error) {
				if err != nil {
					b.Error(err)
				}
				<-slots
			}
			for i := 0; b.Loop(); i++ {
				if keyed {
					m.Key = strconv.Itoa(i)
				}
				slots <- struct{}{}
				e.Publish(rooms[i%len(rooms)], m, done)
			}
			for range cap(slots) {
				slots <- struct{}{}
			}
		})
	}
}
