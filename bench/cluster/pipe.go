package cluster

import (
	"encoding/gob"
	"errors"
	"io"
	"sync"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/stat"
)

// A cluster and its worker processes talk over pipes, in gob. A worker reads requests from its standard input and writes a
// reply to each to its standard output, in the order in which they are done. If the pipe is closed, the worker ends.

// verb is the kind of a request.
type verb byte

const (
	doSetup   verb = iota // create Clients clients; the first request, except for a bystander
	doDial                // connect [From, To); the reply comes when each handshake has ended
	doCancel              // cancel the dialing
	doStatus              // return the status at once
	doFlood               // start a flood
	doHalt                // stop sending
	doSoFar               // return the latencies of the flood so far
	doCollect             // end the flood and return its counters
	doExpect              // expect message Seq
	doSend                // send the expected message
	doAwait               // the reply comes when all clients have it, or after the timeout
	doBystand             // connect a bystander and let it send; the first request
	doSeen                // end the bystander after Grace and return what it has seen
)

// request is a request to a worker process. Fields that the verb does not need are zero, which takes no space on the pipe.
type request struct {
	ID   uint32
	Do   verb
	From int
	To   int

	Setup     *setup
	Flood     *floodRequest
	Bystander *bystanderRequest
	Tag       uint64 // of single messages; a new tag ends those before
	Size      string
	Seq       uint32
	Grace     time.Duration
}

// setup describes the clients of a worker process.
type setup struct {
	Config      client.Config // without its functions, which gob does not send
	Clients     int
	FirstSource int // number of its first loopback address; no two processes share an address
	Number      int // number of the process; no two processes share a room of Config.Members
}

// floodRequest describes a flood. All processes get the same schedule, by the machine's clock, and the same tag.
type floodRequest struct {
	Start, End     int64
	Interval       float64
	Total, Senders int
	Size           string
	Nap            time.Duration
	Tag            uint64
	Send           bool // the first clients of this process are the senders
}

// reply is the reply to a request.
type reply struct {
	ID     uint32
	Err    string
	N      int     // failed handshakes of doDial; clients that expect a message after doExpect
	At     int64   // time of sending of doSend
	Times  []int64 // times of reception of doAwait
	Status *status
	Flood  *packedTotals
	Hist   *stat.PackedHist
	Seen   *load.Seen
}

// status is the state of the clients of a process.
type status struct {
	Open, Gone int
	Ended      int // handshakes that have ended
	Failures   map[string]int
	Busy       []int64
	Received   int64 // deliveries of the flood
	Pings      int64
	Protocol   string // terms of the first client's handshake
	Packed     bool
	Agreed     bool // that handshake succeeded
}

// errPipeClosed is the error of a call to a process that has ended.
var errPipeClosed = errors.New("the pipe is closed")

// caller sends requests to a worker process. It is safe for concurrent use.
type caller struct {
	out   io.WriteCloser
	ended chan struct{} // closed when no more replies can come

	mu      sync.Mutex // guards the fields below
	encoder *gob.Encoder
	last    uint32
	pending map[uint32]chan reply // nil after the end
}

// newCaller reads replies until in ends; after that every call fails.
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

// call sends a request and waits for its reply. It may be called from any goroutine.
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
		return reply{}, errPipeClosed // nobody reads: gob can encode every request
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
