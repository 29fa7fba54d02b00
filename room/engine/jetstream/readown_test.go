package jetstream

import (
	"fmt"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
)

// TestReadsFindWhatWasStored checks that a history has each message that was acknowledged before it was asked for, in a
// room with members on this node and in one without, also while others read.
func TestReadsFindWhatWasStored(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	for _, joined := range []bool{false, true} {
		t.Run(fmt.Sprint("joined=", joined), func(t *testing.T) {
			room := fmt.Sprint("r", joined)
			if joined {
				r := newRecorder()
				e.Subscribe(room, budget.Owner{}, r)
				r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
			}
			read := func(limit int) engine.History {
				c := make(chan engine.History, 1)
				e.History(room, engine.Span{Limit: limit, Newest: true}, func(h engine.History, err error) {
					if err != nil {
						t.Error(err)
					}
					c <- h
				})
				return receive(t, c)
			}
			stop := make(chan bool)
			var others sync.WaitGroup
			defer others.Wait()
			defer close(stop)
			others.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						read(10)
					}
				}
			})
			for i := range 100 {
				pos := publish(t, e, room, engine.Message{Op: ws.OpText, Data: fmt.Append(nil, i)}).pos
				for _, limit := range []int{0, 10} {
					h := read(limit)
					if h.Top.Offset < pos.Offset || limit > 0 && (len(h.Publications) == 0 || string(h.Publications[0].Data) != fmt.Sprint(i)) {
						t.Fatalf("message %d at %d: the top is %d, with %d publications", i, pos.Offset, h.Top.Offset, len(h.Publications))
					}
				}
			}
		})
	}
}

// TestReadsFindWhatWasLost checks the same if the message was lost on the way back to this node.
func TestReadsFindWhatWasLost(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	r := newRecorder()
	e.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	if err := e.topic("r").sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	pos := publish(t, e, "r", engine.Message{Op: ws.OpText, Data: []byte("x")}).pos
	for _, limit := range []int{0, 10} {
		c := make(chan engine.History, 1)
		e.History("r", engine.Span{Limit: limit}, func(h engine.History, _ error) { c <- h })
		if h := receive(t, c); h.Top != pos || len(h.Publications) != min(limit, 1) {
			t.Errorf("limit %d: the top is %+v, with %d publications; want %+v", limit, h.Top, len(h.Publications), pos)
		}
	}
}
