package jetstream

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
)

// BenchmarkPaced publishes messages of 128 bytes into one room with a member at fixed rates, and gathers messages for no
// time and for 4 ms. It reports the CPU time of the process for each message, and percentiles of the time until its
// publication is delivered: at low rates a message wakes every goroutine on its way.
func BenchmarkPaced(b *testing.B) {
	for _, rate := range []int{300, 1000, 3000, 8000} {
		for _, pause := range []time.Duration{0, 4 * time.Millisecond} {
			b.Run(fmt.Sprintf("%d/%v", rate, pause), func(b *testing.B) { benchPaced(b, rate, pause) })
		}
	}
}

func benchPaced(b *testing.B, rate int, pause time.Duration) {
	e, sub := open(b, startServer(b), Config{Keep: always}), new(timed)
	e.Pace(func() time.Duration { return pause })
	e.Subscribe("room", budget.Owner{}, sub)
	m := engine.Message{Op: ws.OpText, Data: make([]byte, 128), From: &engine.Author{User: "anna", Client: "0123456789abcdef"}}
	publish(b, e, "room", m) // the room has begun
	began, cpu := time.Now(), cpuTime(b)
	for i := 0; b.Loop(); i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		sub.publish(b, e, m)
	}
	sub.all.Wait()
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
	slices.Sort(sub.took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(sub.took[(len(sub.took)-1)*p/100].Nanoseconds())/1000, fmt.Sprintf("µs/p%d", p))
	}
}

// timed is a subscriber that measures how long publications take. They come in the order in which they were published.
type timed struct {
	counter
	all  sync.WaitGroup // publications that were not delivered, or not acknowledged
	mu   sync.Mutex
	at   []time.Time // when those that were not delivered were published
	took []time.Duration
}

func (s *timed) publish(b *testing.B, e *Engine, m engine.Message) {
	s.all.Add(2)
	s.mu.Lock()
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	e.Publish("room", m, func(_ engine.Position, err error) {
		if err != nil {
			b.Error(err)
		}
		s.all.Done()
	})
}

func (s *timed) Deliver(engine.Publication) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.at) == 0 {
		return // the one before the measurement
	}
	s.took, s.at = append(s.took, time.Since(s.at[0])), s.at[1:]
	s.all.Done()
}

// cpuTime returns the CPU time of this process.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
