package jetstream

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/subject"
)

// TestPublishedWhileOpening checks that a subscriber gets, in order, what this node publishes after Subscribe has
// returned, although the topic has not begun then.
func TestPublishedWhileOpening(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	for i := range 50 {
		room, r := fmt.Sprint("r", i), newRecorder()
		e.Subscribe(room, budget.Owner{}, r)
		const n = 20
		for j := range n {
			e.Publish(room, engine.Message{Op: ws.OpText, Data: fmt.Append(nil, j)}, nil)
		}
		r.wait(t, "all that was published", func() bool { return len(r.got) == n })
		for j, p := range r.got {
			if string(p.Data) != fmt.Sprint(j) {
				t.Fatalf("publication %d is %s", j, p.Data)
			}
		}
		e.Unsubscribe(room, r)
	}
}

// TestPublishedAndLeft checks that a message of a member that leaves before the topic has begun is published.
func TestPublishedAndLeft(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	for i := range 50 {
		room, r, c := fmt.Sprint("r", i), newRecorder(), make(chan outcome, 1)
		e.Subscribe(room, budget.Owner{}, r)
		e.Publish(room, engine.Message{Op: ws.OpText, Data: []byte("x")}, func(p engine.Position, err error) { c <- outcome{p, err} })
		e.Unsubscribe(room, r)
		if o := receive(t, c); o.err != nil {
			t.Fatal(o.err)
		}
	}
}

// TestOrderWhileAClassOpens publishes a message while another one waits for the stream of its room's class and is about to
// be called.
func TestOrderWhileAClassOpens(t *testing.T) {
	e := open(t, startServer(t), Config{})
	c := e.class("r")
	stored := make(chan string, 2)
	publish := func(text string) {
		e.Publish("r", engine.Message{Op: ws.OpText, Data: []byte(text)}, func(_ engine.Position, err error) {
			if err != nil {
				text = err.Error()
			}
			stored <- text
		})
	}
	c.openMu.Lock() // the stream does not open
	e.whenReady(c, func(error) { publish("second") })
	publish("first")
	c.openMu.Unlock()
	if a, b := <-stored, <-stored; a != "first" || b != "second" {
		t.Errorf("stored: %s, %s", a, b)
	}
}

// TestSlowCallerOfARoomThatDoesNotOpen checks that each caller gets one answer, in order, although the room is opened again while
// one of them takes longer than the pause between two tries.
func TestSlowCallerOfARoomThatDoesNotOpen(t *testing.T) {
	e := open(t, startServer(t), Config{})
	r := e.newTopic(&class{Class: subject.Class{Stream: "a name that no stream may have", Token: "x"}}, "r", newRecorder())
	var calls []string
	later, done := make(chan struct{}), make(chan struct{})
	r.whenBegun(func(err error) {
		if calls = append(calls, "first"); err == nil || len(calls) > 1 {
			return
		}
		e.jobs.After(3*retry, func() { close(later) })
		<-later
	})
	r.whenBegun(func(err error) {
		if calls = append(calls, "second"); err != nil {
			close(done)
		}
	})
	e.jobs.Go(r.load)
	receive(t, done)
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	if fmt.Sprint(calls) != "[first second]" {
		t.Errorf("the calls are %q", calls)
	}
}

// TestClassOpensOnce checks that the stream of a class is opened once, however many topics wait for it: they would wait
// for each other, each behind the messages that are sent meanwhile.
func TestClassOpensOnce(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	c := e.classOf(time.Hour)
	const callers = 200
	c.openMu.Lock() // all begin to wait
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			if err := e.ready(c); err != nil {
				t.Error(err)
			}
		})
	}
	before := e.nc.Stats().OutMsgs
	c.openMu.Unlock()
	all.Wait()
	if n := e.nc.Stats().OutMsgs - before; n >= callers {
		t.Errorf("%d callers have sent %d requests", callers, n)
	}
}
