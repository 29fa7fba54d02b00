package netpoll

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll/durations"
	"webim/netpoll/internal/addrs"
	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/httpbridge"
	"webim/netpoll/internal/output"
	"webim/netpoll/internal/rawio"
	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/sched"
	"webim/netpoll/internal/slab"
	"webim/netpoll/internal/timers"
	"webim/netpoll/internal/unfinished"
	"webim/netpoll/internal/waiting"
	"webim/netpoll/internal/wheel"
)

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

	mu       sync.Mutex
	state    int             // idle, serving, stopping or stopped
	held     bool            // there is a Held
	drainCtx context.Context // done when the shutdown must end at once
	endDrain context.CancelFunc
	cut      bool          // connections were closed before they had ended; valid once ended is closed
	ended    chan struct{} // closed when everything has ended
	running  sync.WaitGroup
}

// The states of a Server.
const (
	idle = iota
	serving
	stopping
	stopped
)

// stallTime is the time for which a client of net/http may keep the server waiting before its
// connection may be ended for another one.
const stallTime = 5 * time.Second

// New makes a server; h may be nil, for one that only answers HTTP. It starts
// nothing: Listen does.
func New(cfg Config, h Handler) *Server {
	cfg = cfg.withDefaults()
	if h == nil {
		h = &Funcs{}
	}
	s := &Server{handler: h, ended: make(chan struct{})}
	s.writeLimit = int(rawio.WriteLimit.Load())
	s.slab.Number = func(r *record, i uint32) { r.index = i }
	s.drainCtx, s.endDrain = context.WithCancel(context.Background())
	s.clock.Start, s.clock.Tick = time.Now(), cfg.tick()
	s.ticks.second, s.ticks.refusal, s.ticks.idle = s.clock.Ticks(time.Second), s.clock.Ticks(refusalTimeout), s.clock.Ticks(time.Minute)
	s.ready = sched.New(sched.Config[*record]{Workers: cfg.Workers, Prompt: cfg.RunOnLoop, Now: s.clock.Nanos, Class: class,
		Waited: s.latency.Observe, Panicked: func(v any) { s.logPanic("turn", v) }})
	s.timers = timers.Set{Guard: s.guard, InStep: s.clock.InStep}
	s.outputShedder, s.inputShedder = s.NewTurn(s.shedOutput), s.NewTurn(s.shedInput)
	s.queued = output.Total{Over: func() { s.outputShedder.Wake() }}
	s.unfinished = unfinished.Total{Near: func() { s.inputShedder.Wake() }}

	s.refusals = refusal.NewReporter(cfg.Logger)
	s.handshakes.Waits, s.refused.Waits = s.waits, s.waits
	s.tlsSlots = waiting.Slots[*tlsState]{Addrs: &s.addrs, Silent: func(t *tlsState) bool { return t.Status().Waits }}
	s.httpConns = httpbridge.Conns{Addrs: &s.addrs, Now: s.clock.Look, Stall: s.clock.Ticks(stallTime), Left: func() { s.open.Add(-1) }}
	s.putIntoForce(cfg)
	return s
}

// start makes the loops and starts the workers, the first time.
func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case serving:
		return nil
	case stopping, stopped:
		return ErrServerClosed
	}
	for range s.cfg().Loops {
		l, err := newLoop(s)
		if err != nil {
			s.closeLoops()
			s.loops, s.workers = nil, nil // Listen may be tried again
			return err
		}
		s.loops = append(s.loops, l)
	}
	for range s.cfg().Workers {
		s.running.Add(1)
		go s.newWorker(false).serve()
	}
	s.state = serving
	return nil
}

func (s *Server) closeLoops() {
	for _, l := range s.loops {
		l.close()
	}
}

// ListenAndServe listens on a TCP address, as ":9501", and serves until the
// server is shut down.
func (s *Server) ListenAndServe(addr string) error {
	if _, err := s.Listen(Listener{Addr: addr}); err != nil {
		return err
	}
	return s.Serve()
}

// Serve waits until the server has been shut down, to the end, and returns
// ErrServerClosed. Connections are served from Listen on, whether or not
// anybody waits here.
func (s *Server) Serve() error {
	if err := s.start(); err != nil && err != ErrServerClosed {
		return err
	}
	<-s.ended
	return ErrServerClosed
}

// all walks the connections, in handshakes too.
func (s *Server) all() iter.Seq[Conn] {
	return func(yield func(Conn) bool) {
		for i := range s.slab.Len() {
			r := s.slab.At(i)
			if gen := r.gen.Load(); slab.InUse(gen) && !yield(Conn{s, r, gen}) {
				return
			}
		}
	}
}

// Conns walks the open connections, in no order. One that opens or closes
// meanwhile may or may not be seen. Swoole's connections.
func (s *Server) Conns() iter.Seq[Conn] {
	return func(yield func(Conn) bool) {
		for c := range s.all() {
			if c.Exists() && !yield(c) {
				return
			}
		}
	}
}

// Conn returns the connection with an id; ok is false if there is none. It may
// be in its handshake still, which Exists tells: then pushing returns
// ErrNotOpen, and Close breaks the handshake off.
func (s *Server) Conn(id ID) (c Conn, ok bool) {
	r, gen := s.record(id)
	if r == nil {
		return Conn{}, false
	}
	return Conn{s, r, gen}, true
}

// record finds a record by id; nil if the connection is gone.
func (s *Server) record(id ID) (*record, uint32) {
	index, gen := slab.Split(uint64(id))
	if !slab.InUse(gen) || index >= s.slab.Len() {
		return nil, 0
	}
	r := s.slab.At(index)
	if r.gen.Load() != gen {
		return nil, 0
	}
	return r, gen
}
