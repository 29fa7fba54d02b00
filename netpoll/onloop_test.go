package netpoll

import (
	"testing"

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
