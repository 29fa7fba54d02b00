package netpoll

import (
	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/sched"
)

// worker is one of the goroutines that take turns, or a loop's with Config.RunOnLoop, and the scratch memory
// that it lends to the connection whose turn it runs. Nothing in it outlives a turn.
type worker struct {
	sched.Worker[*record]
	s       *Server
	buf     []byte // the bytes read, headers and payloads in place; nil: no connection's turn yet
	cipher  []byte // TLS records as read, for connections with TLS
	dec     frame.Decoder
	inflate []byte
	control []byte // a pong being encoded
	request Request
	answer  []byte // a handshake's
	ready   bool   // see input
	since   uint32 // see input
	again   kept   // see input
	meter   Meter  // of the connection's handler; nil: none
	cost    Cost   // of the input, not yet told to the meter
	left    int    // messages that the connection's turn may still handle, see messageBudget
}

// readSize is a worker's read buffer: one read(2) takes at most so much.
const readSize = 64 << 10

// newWorker makes a worker that WakeAfter finds. loop says that it is a loop's.
func (s *Server) newWorker(loop bool) *worker {
	w := &worker{s: s}
	w.List, w.Number, w.Loop, w.Run = s.ready, uint32(len(s.workers)+1), loop, w.runConn
	s.workers = append(s.workers, w)
	return w
}

// serve runs turns until the server has ended.
func (w *worker) serve() {
	defer w.s.running.Done()
	w.Serve()
}

// runConn runs the turn of a connection.
func (w *worker) runConn(r *record) {
	if w.buf == nil {
		w.buf = make([]byte, readSize)
	}
	w.Begin(&r.turn)
	more := w.turn(r)
	w.End(&r.turn, r, more)
}
