package cluster

import (
	"encoding/gob"
	"errors"
	"io"
	"sync"
	"time"

	"webim/bench/client"
	"webim/bench/stat"
)

// A Crew and its worker processes talk over pipes, in gob: the worker gets orders on its standard input and writes an answer to each, in the order in which they
// are done, to its standard output. Whoever finds the pipe closed goes home.

// verb is what an order asks for.
type verb byte

const (
	doSetup   verb = iota // be Clients clients; first of all
	doDial                // bring [From, To) to the server; answered when each handshake has ended
	doCancel              // end the dialing
	doStatus              // tell how things are; answered at once
	doFlood               // take part in a flood
	doHalt                // stop sending
	doSoFar               // the latencies of the flood until now
	doCollect             // end the flood and tell what came of it
	doExpect              // expect message Seq
	doSend                // send it
	doAwait               // answered when all have it, or after the timeout
)

// request is one line to a worker process. What its verb does not need is zero, and costs nothing on the pipe.
type request struct {
	ID   uint32
	Do   verb
	From int
	To   int

	Setup *setup
	Flood *floodRequest
	Tag   uint64 // of rounds; these end with a new one
	Size  string
	Seq   uint32
}

// setup is what a worker process is to be.
type setup struct {
	Config      client.Config // the functions in it stay behind
	Clients     int
	FirstSource int // number of its first loopback address: no two processes share one
	Number      int // of the process: no two share a room of Config.Members
}

// floodRequest is a flood as all processes must see it: the same schedule by the machine's clock, the same tag.
type floodRequest struct {
	Start, End     int64
	Interval       float64
	Total, Senders int
	Size           string
	Nap            time.Duration
	Tag            uint64
	Send           bool // the first clients of this process are the senders
}

// reply is what comes back.
type reply struct {
	ID     uint32
	Err    string
	N      int     // handshakes of a doDial that failed; clients that a doArm reached
	At     int64   // when a doFire was
	Times  []int64 // when its message came to each client
	Status *status
	Flood  *packedTotals
	Hist   *stat.PackedHist
}

// status is how a process' clients are.
type status struct {
	Open, Gone int
	Ended      int // handshakes so far, good or bad
	Failures   map[string]int
	Busy       []int64
	Received   int64 // of the flood
	Pings      int64
	Protocol   string // what the first handshake agreed on
	Packed     bool
	Agreed     bool // with a handshake that has ended well
}

// errPipeClosed is the end of a call whose process has gone.
var errPipeClosed = errors.New("the pipe is closed")

// caller is our end of the pipes.
type caller struct {
	out   io.WriteCloser
	ended chan struct{} // closed when no answer will come any more

	mu      sync.Mutex // guards the rest
	encoder *gob.Encoder
	last    uint32
	pending map[uint32]chan reply // nil after the end
}

// newCaller reads answers until in ends; then every call fails.
func newCaller(in io.Reader, out io.WriteCloser) *caller {
	c := &caller{out: out, encoder: gob.NewEncoder(out), pending: map[uint32]chan reply{}, ended: make(chan struct{})}
	go c.read(gob.NewDecoder(in))
	return c
}

func (c *caller) read(d *gob.Decoder) {
	for {
		var a reply
		if d.Decode(&a) != nil {
			break
		}
		c.mu.Lock()
		got := c.pending[a.ID]
		delete(c.pending, a.ID)
		c.mu.Unlock()
		if got != nil {
			got <- a
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, got := range c.pending {
		close(got)
	}
	c.pending = nil
	close(c.ended)
}

// call gives an order and waits for its answer. From any goroutine.
func (c *caller) call(o request) (reply, error) {
	got := make(chan reply, 1)
	c.mu.Lock()
	if c.pending == nil {
		c.mu.Unlock()
		return reply{}, errPipeClosed
	}
	c.last++
	o.ID = c.last
	c.pending[o.ID] = got
	err := c.encoder.Encode(o)
	if err != nil {
		delete(c.pending, o.ID)
	}
	c.mu.Unlock()
	if err != nil {
		return reply{}, errPipeClosed // nobody is there to read: all that we send can be written down
	}
	a, ok := <-got
	switch {
	case !ok:
		return a, errPipeClosed
	case a.Err != "":
		return a, errors.New(a.Err)
	}
	return a, nil
}
