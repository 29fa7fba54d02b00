package jetstream

import (
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

// TestPace checks that messages gather while the engine pauses, leave together, and are stored in their order.
func TestPace(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	begun, end := make(chan struct{}), make(chan struct{})
	e.Pace(func() time.Duration {
		begun <- struct{}{}
		<-end
		return 0
	})
	var mu sync.Mutex
	var offsets []uint64
	var all sync.WaitGroup
	send := func() {
		all.Add(1)
		e.Publish("room", text("hello"), func(pos engine.Position, err error) {
			defer all.Done()
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			offsets = append(offsets, pos.Offset)
		})
	}
	send()
	<-begun
	all.Wait() // the first one does not wait for the pause after it
	for range 3 {
		send()
	}
	wstest.Eventually(t, "the three messages wait", func() bool { return e.acks.Pending() == 3 })
	end <- struct{}{}
	<-begun // one pause for the three
	all.Wait()
	close(end)
	if len(offsets) != 4 || offsets[0] >= offsets[1] || offsets[1] >= offsets[2] || offsets[2] >= offsets[3] {
		t.Errorf("offsets %v", offsets)
	}
}
