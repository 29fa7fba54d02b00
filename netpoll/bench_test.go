package netpoll

import (
	"io"
	"testing"

	"github.com/gobwas/ws"
)

// The hot path: 0 allocations for each delivery, answered ping and decoded
// message (for the latter see TestDecodeSmallAllocates).

// takes reads a whole answer of so many bytes, so that the socket never fills.
func takes(end *peerEnd, n int) func() {
	buf := make([]byte, n)
	return func() {
		if _, err := io.ReadFull(end.br, buf); err != nil {
			panic(err)
		}
	}
}

// delivery offers one message to a connection, whose client reads it.
func delivery(t testing.TB) (once func()) {
	s := serve(t, Config{}, nil)
	c, end := join(t, s, 0)
	log := s.NewLog(Plain)
	log.Append(ws.OpText, make([]byte, 128))
	cut, id := log.Next(0), c.ID()
	take := takes(end, cut.Len())
	return func() {
		if err := s.Offer(id, cut); err != nil {
			panic(err)
		}
		take()
	}
}

// answeredPing does what a worker does with a ping, on a turn of the test's.
func answeredPing(t testing.TB) (once func()) {
	s := serve(t, Config{ControlRate: -1}, nil)
	c, end := join(t, s, 0)
	w, payload := &worker{s: s}, []byte("are you there?")
	take := takes(end, 2+len(payload))
	return func() {
		if err := s.deliver(w, c.r, event{op: ws.OpPing, data: payload}); err != nil {
			panic(err)
		}
		take()
	}
}

func BenchmarkDeliver(b *testing.B) {
	once := delivery(b)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}

func BenchmarkPing(b *testing.B) {
	once := answeredPing(b)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}

// A turn from its wake to its end, on a worker of its own.
func BenchmarkTurn(b *testing.B) {
	s, finish := crew(Config{Workers: 1})
	defer finish()
	ran := make(chan bool, 1)
	turn := s.NewTurn(func() bool { ran <- true; return false })
	b.ReportAllocs()
	for b.Loop() {
		turn.Wake()
		<-ran
	}
}

// Turns that come in bulk, as in a busy loop.
func BenchmarkTurns(b *testing.B) {
	s, finish := crew(Config{Workers: 1})
	defer finish()
	turns, ran, n := make([]*Turn, 1000), make(chan bool, 1), 0
	for i := range turns {
		turns[i] = s.NewTurn(func() bool {
			if n++; n%len(turns) == 0 {
				ran <- true
			}
			return false
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, t := range turns {
			t.Wake()
		}
		<-ran
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(turns)), "ns/turn")
}
