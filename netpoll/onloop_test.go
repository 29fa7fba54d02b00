package netpoll

import (
	"testing"
	"time"

	"webim/netpoll/internal/wheel"
	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
)

// With RunOnLoop a message is answered although every worker is held up; what it asks for
// by WakeAfter is done, too, and a user's turn waits for a worker.
func TestRunOnLoop(t *testing.T) {
	gate, ran := make(chan bool), make(chan string, 2)
	s := serve(t, Config{Loops: 1, Workers: 1, RunOnLoop: true}, &Funcs{OnMessage: func(c Conn, op ws.OpCode, data []byte) {
		c.s.NewTurn(func() bool { ran <- "woken"; return false }).Wake()
		c.s.NewTurn(func() bool { ran <- "after"; return false }).WakeAfter(c.ID(), 1)
		_ = c.Push(op, data)
	}})
	_, end := join(t, s, 0)
	s.NewTurn(func() bool { <-gate; return false }).Wake()
	wstest.Eventually(t, "the worker is held up", func() bool { return s.Stats().WorkersBusy == 1 })
	end.Write(said("hello"))
	if got := string(nextFrame(t, end)[2:]); got != "hello" {
		t.Errorf("the answer is %q", got)
	}
	if got := <-ran; got != "after" {
		t.Errorf("%s ran", got)
	}
	close(gate)
	if got := <-ran; got != "woken" {
		t.Errorf("%s ran", got)
	}
	wstest.Eventually(t, "all rest", func() bool { return s.Stats().WorkersBusy == 0 })
}

// A loop takes connections and leaves the rest to the workers, in its order.
func TestTakeOnLoop(t *testing.T) {
	p := newPool(&wheel.Clock{Start: time.Now(), Tick: time.Millisecond}, 1, true)
	conns := []*record{new(record), new(record), new(record), new(record)}
	conns[1].flags.Store(fBackground)
	turns := []*Turn{new(Turn), new(Turn)}
	p.pushAll([]task{{r: conns[0]}, {t: turns[0]}, {r: conns[1]}, {r: conns[2]}, {t: turns[1]}}, true, false)
	for _, want := range []*record{conns[0], conns[2]} {
		if got, ok := p.takeOnLoop(); !ok || got.r != want {
			t.Fatalf("took %+v, %v", got, ok)
		}
	}
	if busy, _ := p.use(); busy != 2 {
		t.Errorf("%d are busy: the worker, which has not waited yet, and the loop", busy)
	}
	if got, ok := p.takeOnLoop(); ok {
		t.Errorf("took %+v, which is not for loops", got)
	}
	if busy, _ := p.use(); busy != 1 {
		t.Errorf("%d are busy when the loop has left", busy)
	}
	p.push(task{r: conns[3]})
	for _, want := range []task{{t: turns[0]}, {t: turns[1]}, {r: conns[3]}, {r: conns[1]}} {
		if got, back, ok := p.take(false); !ok || got.t != want.t || got.r != want.r || back != (want.r == conns[1]) {
			t.Fatalf("took %+v, %v, %v; want %+v", got, back, ok, want)
		}
	}
}

// When a worker is woken for a task.
func TestNeedy(t *testing.T) {
	conn, turn, behind := task{r: new(record)}, task{t: new(Turn)}, task{r: new(record)}
	behind.r.flags.Store(fBackground)
	for _, c := range []struct {
		name               string
		prompt             bool
		idle, woken, loops int // of four workers
		queued             int // connections that wait already
		conn, turn, last   bool
	}{
		{"all idle", true, 4, 0, 0, 0, true, true, true},
		{"all idle, callbacks may block", false, 4, 0, 0, 0, true, true, true},
		{"a loop runs", true, 4, 0, 1, 0, false, true, true},
		{"a loop runs, and has as much as it can take", true, 4, 0, 1, soonTasks, true, true, true},
		{"a worker runs", true, 3, 0, 0, 0, false, true, true},
		{"a worker runs, callbacks may block", false, 3, 0, 0, 0, true, true, true},
		{"a worker is on its way", true, 4, 1, 0, 0, false, true, true},
		{"a worker is on its way, callbacks may block", false, 4, 1, 0, 0, false, true, true},
		{"all idle ones are on their way", false, 2, 2, 0, 1000, false, false, false},
		{"none is idle", false, 0, 0, 0, 1000, false, false, false},
		{"two run and have too many", true, 2, 0, 0, 2 * soonTasks, true, true, true},
		{"two run and have not", true, 2, 0, 0, 2*soonTasks - 1, false, true, true},
	} {
		for _, k := range []struct {
			what string
			task task
			want bool
		}{{"a connection", conn, c.conn}, {"a turn", turn, c.turn}, {"one in the background", behind, c.last}} {
			p := newPool(&wheel.Clock{Start: time.Now(), Tick: time.Millisecond}, 4, c.prompt)
			p.idle, p.woken, p.loops = c.idle, c.woken, c.loops
			for range c.queued {
				p.pushLocked(conn)
			}
			p.pushLocked(k.task)
			if got := p.wakeLocked(k.task); got != k.want {
				t.Errorf("%s, %s: %v", c.name, k.what, got)
			}
		}
	}
}

// If callbacks may block, no connection waits while a worker is idle: each but the last of
// the workers is held up by one.
func TestBlockedCallbacks(t *testing.T) {
	const workers = 4
	gate, in := make(chan bool), make(chan bool, workers)
	s := serve(t, Config{Loops: 1, Workers: workers}, &Funcs{OnMessage: func(c Conn, op ws.OpCode, data []byte) {
		if string(data) == "block" {
			in <- true
			<-gate
		}
		_ = c.Push(op, data)
	}})
	var ends []*peerEnd
	for range workers {
		_, end := join(t, s, 0)
		ends = append(ends, end)
	}
	for _, end := range ends[1:] {
		end.Write(said("block"))
	}
	for range ends[1:] {
		<-in
	}
	for range 100 {
		ends[0].Write(said("hello"))
		nextFrame(t, ends[0])
	}
	close(gate)
	for _, end := range ends[1:] {
		nextFrame(t, end)
	}
}
