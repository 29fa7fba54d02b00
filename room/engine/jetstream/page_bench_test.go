package jetstream

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// The sizes of the log of BenchmarkPage.
var (
	pageMessages = flag.Int("page.messages", 1_000_000, "messages of the large room of BenchmarkPage")
	pageOthers   = flag.Int("page.others", 500_000, "messages of the other rooms of BenchmarkPage")
	pageRooms    = flag.Int("page.rooms", 10_000, "these rooms")
)

// BenchmarkPage reads pages of 50 publications: from anywhere in a room that has most of a log, and the end
// of other rooms in it, which have few. No room has members, so nothing is in the memory of the engine. It
// reports percentiles, because the first page in a part of the log takes longest. Forward pages begin behind any offset, at
// which the room may have no publication.
func BenchmarkPage(b *testing.B) {
	e := open(b, startServer(b), Config{Keep: always})
	top := fillPages(b, e)
	other := func() string { return fmt.Sprint("other", rand.IntN(*pageRooms)) }
	for _, c := range []struct {
		name string
		ask  func() (room string, part engine.Span)
	}{
		{"dense", func() (string, engine.Span) {
			return "large", engine.Span{Newest: true, Limit: 50, Before: 1000 + rand.Uint64N(top-1000)}
		}},
		{"sparse", func() (string, engine.Span) { return other(), engine.Span{Newest: true, Limit: 50, Before: top} }},
		{"dense forwards", func() (string, engine.Span) { return "large", engine.Span{Limit: 50, Behind: rand.Uint64N(top - 1000)} }},
		{"sparse forwards", func() (string, engine.Span) { return other(), engine.Span{Limit: 50, Behind: rand.Uint64N(top)} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				room, part := c.ask()
				began := time.Now()
				got := history(b, e, room, part)
				took = append(took, time.Since(began))
				if len(got.Publications) == 0 && room == "large" {
					b.Fatal("an empty page")
				}
			}
			slices.Sort(took)
			for _, p := range []int{50, 99} {
				b.ReportMetric(float64(took[(len(took)-1)*p/100].Microseconds())/1000, fmt.Sprintf("ms/p%d", p))
			}
		})
	}
}

// fillPages publishes the log of BenchmarkPage, in random order, and returns its end.
func fillPages(b *testing.B, e *Engine) (top uint64) {
	b.Helper()
	slots := make(chan struct{}, 4000)
	done := func(_ engine.Position, err error) {
		if err != nil {
			b.Error(err)
		}
		<-slots
	}
	m := engine.Message{Op: ws.OpText, Data: make([]byte, 128), From: &engine.Author{User: "anna", Client: "0123456789abcdef"}}
	left, others := *pageMessages, *pageOthers
	for left+others > 0 {
		room := "large"
		if rand.IntN(left+others) < others {
			others--
			room = fmt.Sprint("other", others%*pageRooms)
		} else {
			left--
		}
		slots <- struct{}{}
		e.Publish(room, m, done)
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
	return publish(b, e, "large", m).pos.Offset
}
