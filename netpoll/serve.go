package netpoll

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// Server is the event loop: listeners, loops, workers and connections. Make
// one with New; all methods are safe for concurrent use.
type Server struct {
	cfg     Config
	handler Handler
	clock   clock
	ticks   ticks
	loops   []*loop
	pool    *pool
	evictor *Turn

	slab    slab
	inputs  table[input]
	outputs table[output]
	extras  table[extra]
	addrs   addrs
	places  tlsPlaces

	lns        atomic.Pointer[[]*listener]
	open       atomic.Int64 // descriptors of clients, in handshakes and in net/http too
	lent       atomic.Int64 // of these, those that net/http has
	refusing   atomic.Int64 // of these, those let in to be refused
	dealt      atomic.Uint32
	unfinished atomic.Int64 // bytes of unfinished input
	queued     atomic.Int64 // bytes that queues hold, shared ones once
	stats      counters

	mu      sync.Mutex
	state   int // none, serving, stopping, stopped
	timers  map[*Timer]struct{}
	stop    chan struct{} // ends the wheels
	ended   chan struct{} // closed when all has ended
	running sync.WaitGroup
}

// The states of a Server.
const (
	idle = iota
	serving
	stopping
	stopped
)

// ticks are the durations of Config on the server's clock.
type ticks struct {
	second, handshake, ping, pong, write, close, message, idle uint32
}

// New makes a server; h may be nil, for one that only answers HTTP. It starts
// nothing: Listen does.
func New(cfg Config, h Handler) *Server {
	cfg = cfg.withDefaults()
	if h == nil {
		h = &Funcs{}
	}
	s := &Server{cfg: cfg, handler: h, stop: make(chan struct{}), ended: make(chan struct{}), timers: map[*Timer]struct{}{}}
	s.addrs.byAddr = map[netip.Addr]uint32{}
	s.clock = clock{start: time.Now(), tick: cfg.tick()}
	t := s.clock.ticks
	s.ticks = ticks{second: t(time.Second), handshake: t(cfg.HandshakeTimeout), ping: t(cfg.PingInterval), pong: t(cfg.PongTimeout),
		write: t(cfg.WriteTimeout), close: t(cfg.CloseTimeout), message: t(cfg.MessageTimeout), idle: t(time.Minute)}
	s.pool = newPool(&s.clock)
	s.evictor = s.NewTurn(s.evict)
	return s
}

// tick is the wheel's step: 100 ms, less when a deadline is very short.
func (c Config) tick() time.Duration {
	tick := 100 * time.Millisecond
	for _, d := range []time.Duration{c.HandshakeTimeout, c.PingInterval, c.PongTimeout, c.WriteTimeout, c.CloseTimeout, c.MessageTimeout} {
		if d > 0 {
			tick = min(tick, d/8)
		}
	}
	return max(tick, time.Millisecond)
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
	for range s.cfg.Loops {
		l, err := newLoop(s)
		if err != nil {
			s.closeLoops()
			return err
		}
		s.loops = append(s.loops, l)
	}
	for i, l := range s.loops {
		s.running.Add(1)
		go l.wheel.run(i == 0, s.stop)
	}
	for range s.cfg.Workers {
		s.running.Add(1)
		w := &worker{s: s, buf: make([]byte, readSize)}
		go w.run()
	}
	s.state = serving
	return nil
}

func (s *Server) closeLoops() {
	for _, l := range s.loops {
		l.epoll.Close()
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

// Serve waits until the server has been shut down and returns ErrServerClosed.
// Connections are served from Listen on, whether or not anybody waits here.
func (s *Server) Serve() error {
	if err := s.start(); err != nil {
		return err
	}
	<-s.ended
	return ErrServerClosed
}

// Shutdown stops accepting and closes every connection with 1001, spread
// evenly over a time, then waits for what is queued to drain and for clients
// to answer. When ctx ends, it closes the rest as they are and returns its
// error. Swoole's shutdown.
func (s *Server) Shutdown(ctx context.Context, spread time.Duration) error {
	s.mu.Lock()
	if s.state != serving {
		first := s.state == idle
		if first {
			s.state = stopped
			close(s.ended)
		}
		s.mu.Unlock()
		if !first {
			<-s.ended
		}
		return nil
	}
	s.state = stopping
	timers := s.timers
	s.timers = nil
	s.mu.Unlock()
	for t := range timers {
		t.t.Stop()
	}
	s.stopListening()
	for _, ln := range s.listeners() {
		go ln.http.srv.Shutdown(ctx)
	}
	err := s.sayGoodbye(ctx, spread)
	if err == nil {
		err = s.awaitConns(ctx)
	}
	if err != nil {
		s.killAll()
		s.awaitConns(context.Background())
	}
	s.halt()
	return err
}

// Close ends the server at once: sockets are closed as they are.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Shutdown(ctx, 0)
	return nil
}

// sayGoodbye closes all connections, a few each millisecond.
func (s *Server) sayGoodbye(ctx context.Context, spread time.Duration) error {
	var all []Conn
	for c := range s.all() {
		all = append(all, c)
	}
	steps := max(1, int(spread/(5*time.Millisecond)))
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for i := range steps {
		for _, c := range all[len(all)*i/steps : len(all)*(i+1)/steps] {
			if c.r.flags.Load()&fOpen != 0 {
				c.closeWith(Shutdown, ws.StatusGoingAway, "server is shutting down")
			} else {
				s.beginClose(c.r, c.gen, closing{cause: HandshakeFailed})
			}
		}
		if i == steps-1 {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	return ctx.Err()
}

// awaitConns waits until no client has a descriptor.
func (s *Server) awaitConns(ctx context.Context) error {
	t := time.NewTicker(2 * time.Millisecond)
	defer t.Stop()
	for s.open.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	return nil
}

// killAll closes what is left, without a word.
func (s *Server) killAll() {
	for _, ln := range s.listeners() {
		ln.http.close()
	}
	for c := range s.all() {
		s.beginClose(c.r, c.gen, closing{cause: Shutdown})
		c.r.flags.Or(fAbort)
		s.wake(c.r)
	}
}

// halt ends the goroutines, in the order of the line.
func (s *Server) halt() {
	for _, ln := range s.listeners() {
		ln.http.close()
	}
	close(s.stop)
	s.closeLoops()
	s.pool.close()
	s.running.Wait()
	s.mu.Lock()
	s.state = stopped
	s.mu.Unlock()
	close(s.ended)
}

// all walks the connections, in handshakes too.
func (s *Server) all() iter.Seq[Conn] {
	return func(yield func(Conn) bool) {
		for i := range s.slab.len() {
			r := s.slab.at(i)
			if gen := r.gen.Load(); gen&1 == 1 && !yield(Conn{s, r, gen}) {
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

// Conn returns the connection with an id; ok is false if there is none.
func (s *Server) Conn(id ID) (c Conn, ok bool) {
	r, gen := s.record(id)
	if r == nil {
		return Conn{}, false
	}
	return Conn{s, r, gen}, true
}

// record finds a record by id; nil if the connection is gone.
func (s *Server) record(id ID) (*record, uint32) {
	index, gen := uint32(id), uint32(id>>32)
	if gen&1 == 0 || index >= s.slab.len() {
		return nil, 0
	}
	r := s.slab.at(index)
	if r.gen.Load() != gen {
		return nil, 0
	}
	return r, gen
}

// Config returns the settings in force, defaults filled in.
func (s *Server) Config() Config { return s.cfg }

func (s *Server) wheelOf(r *record) *wheel { return &s.loops[r.loop].wheel }

// firstPing is when a new connection gets its first ping, whatever its
// traffic: half to one and a half ping intervals from now, which spreads the
// pings of clients that came together evenly over the interval. In ticks.
func (s *Server) firstPing() uint32 {
	if s.cfg.PingInterval < 0 {
		return s.ticks.idle
	}
	return s.ticks.ping/2 + 1 + rand.Uint32N(s.ticks.ping)
}

func (s *Server) handlerOf(r *record) Handler { return s.listeners()[r.listener].Handler }

func (s *Server) conn(r *record) Conn { return Conn{s, r, r.gen.Load()} }

// The calls of the handler. Each recovers by itself: a panic closes the one
// connection, and the worker goes on.

func (s *Server) handshaking(q *Request) {
	h, ok := s.handlerOf(q.r).(Handshaker)
	if !ok {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			s.logPanic("Handshake", v)
			q.refused = &refusedError{why: refuseHandler, status: 500, text: "internal error"}
		}
	}()
	h.Handshake(q)
}

func (s *Server) opening(r *record, q *Request) {
	defer s.recovered(r, "Open")
	s.handlerOf(r).Open(s.conn(r), q)
}

func (s *Server) message(r *record, op ws.OpCode, data []byte) {
	defer s.recovered(r, "Message")
	s.handlerOf(r).Message(s.conn(r), op, data)
}

func (s *Server) ponged(r *record, payload []byte) {
	if h, ok := s.handlerOf(r).(Ponger); ok {
		defer s.recovered(r, "Pong")
		h.Pong(s.conn(r), payload)
	}
}

// tellWater tells the handler that a watermark was crossed, as things stand.
func (s *Server) tellWater(r *record) {
	r.flags.And(^fWater)
	if r.flags.Load()&(fOpen|fClosing) != fOpen {
		return
	}
	r.mu.Lock()
	high := r.w&wHigh != 0
	r.mu.Unlock()
	defer s.recovered(r, "Full or Drained")
	h := s.handlerOf(r)
	if f, ok := h.(Fuller); ok && high {
		f.Full(s.conn(r))
	} else if d, ok := h.(Drainer); ok && !high {
		d.Drained(s.conn(r))
	}
}

func (s *Server) closed(r *record, why Closed) {
	defer s.recovered(r, "Close")
	s.handlerOf(r).Close(s.conn(r), why)
}

func (s *Server) recovered(r *record, where string) {
	if v := recover(); v != nil {
		s.logPanic(where, v)
		s.beginClose(r, r.gen.Load(), closing{cause: HandlerPanic, code: ws.StatusInternalServerError, reason: "internal error", frame: true})
	}
}

func (s *Server) logPanic(where string, v any) {
	s.stats.panics.Add(1)
	s.cfg.Logger.Error("netpoll: panic in a callback", "callback", where, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

// Timer is what Tick and After return.
type Timer struct {
	s *Server
	t *time.Timer
}

// After calls f once, after d, on a goroutine of its own, unless the timer is
// stopped or the server shuts down. Swoole's after.
func (s *Server) After(d time.Duration, f func()) *Timer {
	t := &Timer{s: s}
	return t.arm(d, func() {
		t.Stop()
		f()
	})
}

// Tick calls f every d until it is stopped or the server shuts down; one call
// at a time: a call that takes longer than d delays the next. Swoole's tick.
func (s *Server) Tick(d time.Duration, f func()) *Timer {
	t := &Timer{s: s}
	return t.arm(d, func() {
		f()
		t.s.mu.Lock()
		defer t.s.mu.Unlock()
		if _, ok := t.s.timers[t]; ok {
			t.t.Reset(d)
		}
	})
}

func (t *Timer) arm(d time.Duration, f func()) *Timer {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.t = time.AfterFunc(d, f)
	if t.s.timers == nil {
		t.t.Stop() // shutting down
		return t
	}
	t.s.timers[t] = struct{}{}
	return t
}

// Stop ends the timer; a call that has begun goes on. Swoole's clear.
func (t *Timer) Stop() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.t.Stop()
	delete(t.s.timers, t)
}
