package netpoll

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"webim/netpoll/durations"
	"webim/netpoll/internal/addrs"
	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/httpbridge"
	"webim/netpoll/internal/output"
	"webim/netpoll/internal/poll"
	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/sched"
	"webim/netpoll/internal/slab"
	"webim/netpoll/internal/timers"
	"webim/netpoll/internal/unfinished"
	"webim/netpoll/internal/waiting"
	"webim/netpoll/internal/wheel"
)

// This file has the state of a server, and of its loops, workers and listeners; record.go has that of a
// connection. The functions are in the file of their step: see the table in doc.go.

// Server is the event loop: listeners, loops, workers and connections. Make
// one with New; all methods are safe for concurrent use.
type Server struct {
	settings      atomic.Pointer[settings]
	handler       Handler
	clock         wheel.Clock
	ticks         struct{ second, refusal, idle uint32 } // durations that do not change
	loops         []*loop
	ready         *sched.List[*record]
	latency       durations.Histogram // of turns, from queued to running
	workers       []*worker           // also the loops' own; set by start
	outputShedder *Turn               // runs shedOutput
	inputShedder  *Turn               // runs shedInput
	heartbeats    []activeHeartbeat

	slab     slab.Slab[record]
	inputs   slab.Table[input]
	outputs  slab.Table[output.Queue]
	extras   slab.Table[extra]
	addrs    addrs.Table
	tlsSlots waiting.Slots[*tlsState]
	refusals *refusal.Reporter
	timers   timers.Set

	handshakes waiting.Queue[ID] // accepted connections, of which some are unfinished handshakes
	refused    waiting.Queue[ID] // connections that were accepted to be refused

	lns        atomic.Pointer[[]*listener]
	open       atomic.Int64     // connections, also in handshakes and in net/http
	httpConns  httpbridge.Conns // of these, those that net/http has
	refusing   atomic.Int64     // of these, those that are being refused
	lastLoop   atomic.Uint32
	stopping   atomic.Bool // Shutdown has begun
	writeLimit int         // rawio.WriteLimit when the server was made
	unfinished unfinished.Total
	queued     output.Total // of what queues hold: references, buffers (shared ones once) and ciphertext
	stats      counters
	flights    flight.Recorder // the latest events of connections
	trips      flight.Trips    // pings that are not answered yet

	lending atomic.Bool // another process has sockets of this one
	lent    lent

	mu       sync.Mutex
	state    int             // idle, serving, stopping or stopped
	held     bool            // there is a Held
	drainCtx context.Context // done when the shutdown must end at once
	endDrain context.CancelFunc
	cut      bool          // connections were closed before they had ended; valid once ended is closed
	ended    chan struct{} // closed when everything has ended
	running  sync.WaitGroup
}

// lent are the sockets that another process has been lent. One goroutine uses it, that of the Held.
type lent struct{ gens []uint32 } // generations, by number of the record; 0: not lent

// has reports whether a connection's socket is lent.
func (l *lent) has(r *record) bool {
	return int(r.index) < len(l.gens) && l.gens[r.index] == r.gen.Load()
}

// The states of a Server.
const (
	idle = iota
	serving
	stopping
	stopped
)

// settings are a Config in force, with the values that are computed from it. They never change:
// Reconfigure puts others in their place. A function that needs several of them reads cfg once.
type settings struct {
	Config
	ticks ticks
	pings wheel.Schedule // of WebSocket pings
}

// ticks are the durations of Config on the server's clock.
type ticks struct {
	handshake, write, close, linger, message uint32
}

// Conn is a handle to a connection: a small value that is safe to copy, to compare, and to use from
// any goroutine at any time. After the connection's end every method says so or does nothing. It
// never reaches another connection that got the same descriptor.
type Conn struct {
	s   *Server
	r   *record
	gen uint32
}

// Turn is work of a user that shares the workers with the connections, for example a shard of a
// room. Its function never runs twice at once. A Wake during a run leads to one more run. The
// function must not block, and should return true (more) after a millisecond or so of work, to let
// others run.
type Turn struct {
	job sched.Job
	s   *Server
}

// worker is one of the goroutines that take turns, or a loop's with Config.RunOnLoop, and the scratch memory
// that it lends to the connection whose turn it runs. Nothing in it outlives a turn.
type worker struct {
	sched.Worker[*record]
	s        *Server
	buf      []byte // the bytes read, headers and payloads in place; nil: no connection's turn yet
	cipher   []byte // TLS records as read, for connections with TLS
	inflate  []byte
	control  []byte // a pong being encoded
	request  Request
	answer   []byte          // a handshake's
	in       unfinished.Part // the state of the decoding
	meter    Meter           // of the connection's handler; nil: none
	cost     Cost            // of the input, not yet told to the meter
	took     flight.Event    // the messages of the connection's turn
	answered int             // answers to pings
	left     int             // messages that the connection's turn may still handle, see messageBudget
}

// readSize is a worker's read buffer: one read(2) takes at most so much.
const readSize = 64 << 10

// loop is one epoll instance with its goroutine and its wheel, which a timerfd among its descriptors
// turns.
type loop struct {
	*poll.Loop[*record]
	s      *Server
	wheel  *wheel.Wheel
	worker *worker // runs turns on the loop's goroutine; nil without Config.RunOnLoop
}

// listener is a bound socket, watched by the first loop.
type listener struct {
	Listener
	index int
	addr  net.Addr
	http  *httpbridge.Bridge
	tls   *tls.Config // nil: plain
	mu    sync.Mutex  // held while connections are accepted, and while the listener is closed
	fd    int         // -1: closed
	file  os.FileInfo // of a Unix socket: at the end only this file is removed from its path; nil: none
	// watched is false while the listener waits for descriptors; see accept.
	watched atomic.Bool
}

// input is the bytes that a connection has sent and that cannot be used yet. It exists only while
// there are any, in Server.inputs, and belongs to the turn, except owner and Held, which shedInput
// reads.
type input struct {
	unfinished.Input
	owner Conn
}

// counters are the server's counts that no record holds.
type counters struct {
	accepted, opened, open, evictions, rests, panics, acceptPauses atomic.Int64
	tlsDone, tlsFailed                                             atomic.Int64
	closed                                                         [numCauses]atomic.Int64
	// Of closed connections; open ones are added up from their records.
	messagesIn, messagesOut, bytesIn, bytesOut atomic.Int64
}

// activeHeartbeat is a heartbeat with its schedule.
type activeHeartbeat struct {
	Heartbeat
	schedule wheel.Schedule
}
