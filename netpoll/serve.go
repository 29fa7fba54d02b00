package netpoll

import (
	"context"
	"time"

	"webim/netpoll/internal/httpbridge"
	"webim/netpoll/internal/output"
	"webim/netpoll/internal/rawio"
	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/sched"
	"webim/netpoll/internal/timers"
	"webim/netpoll/internal/unfinished"
	"webim/netpoll/internal/waiting"
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
