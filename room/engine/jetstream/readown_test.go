package jetstream

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
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

// TestReadsFindWhatWasStoredWithServerBehind publishes in a room without members here, and reads it while a server answers that has
// nothing of the log: the answer has what was acknowledged on this node, or is an error. A room that gets its first member then does
// not begin before that.
func TestReadsFindWhatWasStoredWithServerBehind(t *testing.T) {
	var behind atomic.Bool
	e := open(t, startServer(t), Config{Keep: always, sweep: time.Hour, empty: behind.Load})
	publish(t, e, "other", text("x"))
	pos := publish(t, e, "r", text("x")).pos
	behind.Store(true)
	read := func(limit int) (h engine.History, err error) {
		done := make(chan error, 1)
		e.History("r", engine.Span{Limit: limit, Newest: true}, func(is engine.History, err error) { h = is; done <- err })
		return h, receive(t, done)
	}
	if h, err := read(0); err != nil || h.Top != pos {
		t.Errorf("the top is %+v, %v, want %+v", h.Top, err, pos)
	}
	if h, err := read(10); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("%d publications up to %+v, %v", len(h.Publications), h.Top, err)
	}
	r := newRecorder()
	e.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	if r.begins[0] != pos {
		t.Errorf("the room begins at %+v, want %+v", r.begins[0], pos)
	}
	behind.Store(false)
	if h, err := read(10); err != nil || h.Top != pos || len(h.Publications) != 1 {
		t.Errorf("%d publications up to %+v, %v", len(h.Publications), h.Top, err)
	}
}

// TestOwnTips publishes in more rooms than a node remembers: it remembers the last ones.
func TestOwnTips(t *testing.T) {
	s := newTable()
	for i := range 2*maxOwn + 5 {
		s.made(fmt.Sprint(i), "epoch", codec.Tip{Offset: uint64(i + 1)})
	}
	for i := range 2*maxOwn + 5 {
		if at := s.last(fmt.Sprint(i)); at.Offset != uint64(i+1) && i >= maxOwn+5 {
			t.Fatalf("room %d: %+v", i, at)
		}
	}
	if n := len(s.own) + len(s.older); n > 2*maxOwn {
		t.Errorf("%d rooms are remembered", n)
	}
	s.made("1", "epoch", codec.Tip{Offset: 100})
	s.made("1", "epoch", codec.Tip{Offset: 50})
	if at := s.last("1"); at.Offset != 100 {
		t.Errorf("an answer that came late: %+v", at)
	}
	s.made("1", "another", codec.Tip{Offset: 7})
	if at := s.last("1"); at.Offset != 7 || at.epoch != "another" {
		t.Errorf("in another epoch: %+v", at)
	}
}
