package sched

import (
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// item is the work of these tests: it waits in a class, and does nothing.
type item struct {
	class Class
	turn  Turn
}

// newList makes a list without workers.
func newList(workers int, prompt bool) *List[*item] {
	start := time.Now()
	return New(Config[*item]{
		Workers: workers, Prompt: prompt,
		Now:      func() int64 { return int64(time.Since(start)) },
		Class:    func(i *item) Class { return i.class },
		Waited:   func(time.Duration) {},
		Panicked: func(v any) { panic(v) },
	})
}

// startWorkers makes a list and starts its workers. The returned function waits until they
// have run the queued items and ended.
func startWorkers(workers int) (l *List[*item], finish func()) {
	l = newList(workers, false)
	var running sync.WaitGroup
	for i := range workers {
		w := &Worker[*item]{List: l, Number: uint32(i + 1)}
		w.Run = func(i *item) {
			w.Begin(&i.turn)
			w.End(&i.turn, i, false)
		}
		running.Go(w.Serve)
	}
	return l, func() {
		l.Close()
		running.Wait()
	}
}
