package bench

import (
	"encoding/gob"
	"errors"
	"io"
	"sync"
	"time"
)

// A Crew and its worker processes talk over pipes, in gob: the worker gets orders on its standard input and writes an answer to each, in the order in which they
// are done, to its standard output. Whoever finds the pipe closed goes home.

// verb is what an order asks for.
type verb byte

const (
	doEnlist  verb = iota // be Clients clients; first of all
	doDial                // bring [From, To) to the server; answered when each handshake has ended
	doCancel              // end the dialing
	doStat                // tell how things are; answered at once
	doFlood               // take part in a flood
	doHalt                // stop sending
	doSoFar               // the latencies of the flood until now
	doCollect             // end the flood and tell what came of it
	doArm                 // expect message Seq
	doFire                // send it
	doAwait               // answered when all have it, or after the timeout
)

// order is one line to a worker process. What its verb does not need is zero, and costs nothing on the pipe.
type order struct {
	ID   uint32
	Do   verb
	From int
	To   int

	Enlist *enlistment
	Flood  *floodOrder
	Tag    uint64 // of rounds; these end with a new one
	Size   string
	Seq    uint32
}

// enlistment is what a worker process is to be.
type enlistment struct {
	Config      Config // the functions in it stay behind
	Clients     int
	FirstSource int // number of its first loopback address: no two processes share one
	Number      int // of the process: no two share a room of Config.Members
}

// floodOrder is a flood as all processes must see it: the same schedule by the machine's clock, the same tag.
type floodOrder struct {
	Start, End     int64
	Interval       float64
	Total, Senders int
	Size           string
	Nap            time.Duration
	Tag            uint64
	Send           bool // the first clients of this process are the senders
}

// answer is what comes back.
type answer struct {
	ID    uint32
	Err   string
	N     int     // handshakes of a doDial that failed; clients that a doArm reached
	At    int64   // when a doFire was
	Times []int64 // when its message came to each client
	Stat  *stat
	Flood *packedCounted
	Hist  *packedHist
}

// stat is how a process' clients are.
type stat struct {
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

// errHome is the end of a call whose process has gone.
var errHome = errors.New("the pipe is closed")

// caller is our end of the pipes.
type caller struct {
	out   io.WriteCloser
	ended chan struct{} // closed when no answer will come any more

	mu      sync.Mutex // guards the rest
	encoder *gob.Encoder
	last    uint32
	pending map[uint32]chan answer // nil after the end
}

// newCaller reads answers until in ends; then every call fails.
func newCaller(in io.Reader, out io.WriteCloser) *caller {
	c := &caller{out: out, encoder: gob.NewEncoder(out), pending: map[uint32]chan answer{}, ended: make(chan struct{})}
	go c.read(gob.NewDecoder(in))
	return c
}

func (c *caller) read(d *gob.Decoder) {
	for {
		var a answer
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
func (c *caller) call(o order) (answer, error) {
	got := make(chan answer, 1)
	c.mu.Lock()
	if c.pending == nil {
		c.mu.Unlock()
		return answer{}, errHome
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
		return answer{}, errHome // nobody is there to read: all that we send can be written down
	}
	a, ok := <-got
	switch {
	case !ok:
		return a, errHome
	case a.Err != "":
		return a, errors.New(a.Err)
	}
	return a, nil
}

// packedHist is a Hist on the pipe: of some 3,700 buckets few are in use.
type packedHist struct {
	Buckets []uint16
	Counts  []uint64
	Max     int64
}

func (h *Hist) pack() *packedHist {
	p := &packedHist{Max: h.max}
	for i, n := range h.counts {
		if n > 0 {
			p.Buckets, p.Counts = append(p.Buckets, uint16(i)), append(p.Counts, n)
		}
	}
	return p
}

// unpack adds p to h. What comes over the pipe is ours, but a bucket that does not exist would be a panic.
func (h *Hist) unpack(p *packedHist) {
	for i, b := range p.Buckets {
		if int(b) < len(h.counts) && i < len(p.Counts) {
			h.counts[b] += p.Counts[i]
			h.total += p.Counts[i]
		}
	}
	h.max = max(h.max, p.Max)
}

// packedCounted is a counted on the pipe.
type packedCounted struct {
	Hist                                     *packedHist
	InWindow, Duplicates, Reordered, Foreign int64
	Received                                 int64
	Sent, Held, Unsent                       int
	Lag                                      int64
}

func (n *counted) pack() *packedCounted {
	return &packedCounted{n.hist.pack(), n.inWindow, n.duplicates, n.reordered, n.foreign, n.received.Load(), n.sent, n.held, n.unsent, n.lag}
}

// unpack adds p to n.
func (n *counted) unpack(p *packedCounted) {
	n.hist.unpack(p.Hist)
	n.inWindow += p.InWindow
	n.duplicates += p.Duplicates
	n.reordered += p.Reordered
	n.foreign += p.Foreign
	n.received.Add(p.Received)
	n.sent, n.held, n.unsent, n.lag = n.sent+p.Sent, n.held+p.Held, n.unsent+p.Unsent, max(n.lag, p.Lag)
}
