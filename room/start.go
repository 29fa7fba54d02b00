package room

import (
	"crypto/rand"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"time"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/room/budget"
	"webim/room/control"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/internal/nametable"
	"webim/room/internal/pause"
	"webim/room/judge"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/shares"
	"webim/room/work"
)

// NewHub returns a new hub. It panics if cfg.Engine is nil.
func NewHub(cfg Config) *Hub {
	if cfg.Engine == nil {
		panic("room: Config.Engine is nil")
	}
	cfg = cfg.withDefaults()
	h := &Hub{
		engine:   cfg.Engine,
		id:       rand.Text(),
		started:  time.Now(),
		rooms:    nametable.New((*Room).Name),
		starting: map[*Room]*sync.Once{},
		roomPool: budget.NewPool(int64(cfg.MaxRooms)),
		refusals: ratelog.New(cfg.Log),
		arrivals: pause.NewArrivals(pause.Threshold(runtime.GOMAXPROCS(0))),
	}
	h.cfg.Store(&cfg)
	h.work = work.New(cfg.MaxCalls, h.refusals)
	h.meter = cost.New(cost.Config{Limits: cfg.costs(), Timers: &h.timers, Log: h.refusals})
	h.shares = shares.New(cfg.Engine, h.refusals)
	h.Moderator = moderation.New(moderation.Config{Engine: cfg.Engine, Publish: h.Publish, StateOf: h.shares.StateOf, StateError: shares.ClientError, Audit: cfg.Audit})
	h.judge = judge.New(judge.Config{Options: h.Options, Moderator: h.Moderator, Backend: cfg.Backend, Tokens: cfg.Tokens, Guests: cfg.Guests, Welcome: func() bool { return h.Config().Anonymous }, Revoked: cfg.Revoked, StateIsOld: stateIsOld(cfg.Engine), Log: h.refusals})
	h.control = control.New(control.Config{Engine: cfg.Engine, Judge: h.judge, Moderator: h.Moderator, Revoked: cfg.Revoked, Conns: h.conns, Post: h.Post, Log: cfg.Log})
	_, h.prompt = cfg.Engine.(engine.Prompt)
	return h
}

// stateIsOld returns judge.Config.StateIsOld for an engine.
func stateIsOld(e engine.Engine) func() bool {
	if c, ok := e.(engine.Copier); ok {
		return c.StateIsOld
	}
	return nil
}

// Start connects the hub with its server. It is called before the server listens. The periodic
// work that Start begins ends with the server; Stop ends the hub's part in the engine.
func (h *Hub) Start(s *netpoll.Server) {
	h.server = s
	h.load.Begin(s.Config().Workers)
	h.deferred.Start(s.NewTurn(h.deferred.Run).Wake)
	h.leaveDelays.Start(func() time.Duration { return h.Config().LeaveDelay }, h.tellNotice, h.Post, h.At)
	stopControl, stopShares := h.control.Start(s), h.shares.Watch()
	h.unwatch = func() { stopControl(); stopShares() }
	h.engine.AddNode(h)
	s.Tick(time.Second, h.timers.Run)
	s.Tick(time.Second, h.reclaimResumed)
	s.Tick(h.Config().idleEvery, h.deactivateIdle)
	if e, ok := h.engine.(engine.Expirer); ok {
		s.Tick(time.Second, e.Expire)
	}
	if e, ok := h.engine.(engine.Pacer); ok {
		h.makesWay = true
		e.Pace(func() time.Duration { return pause.Gather(h.load.Known(h.now()), h.Config().MaxPause) })
	}
}

// Stop ends the calls that are under way, and removes the hub from the nodes of its engine, so
// that no control message reaches it any more. It is called when the server has ended.
func (h *Hub) Stop() {
	h.work.Close()
	h.engine.RemoveNode(h)
	h.unwatch()
}

// Spend implements netpoll.Meter. A plain connection without a token gets a Principal with the first
// bytes that it sends.
func (h *Hub) Spend(c netpoll.Conn, input netpoll.Cost) netpoll.Treatment {
	p, s := identity.PrincipalOf(c), identity.SessionOf(c)
	switch {
	case s != nil && !s.Connected(): // its payer is not known yet
		return h.meter.ReadBeforeConnect(&p.Usage, identity.AddressOf(c), input)
	case s == nil && !h.meter.Limits(policy.ClassInput): // a plain connection causes no large replies either
		return netpoll.Treatment{}
	case p == nil:
		if _, member := h.Member(c); !member {
			return netpoll.Treatment{}
		}
		p = identity.NewAnonymous(c)
	}
	return h.meter.Read(&p.Usage, input)
}

// Reconfigure changes the settings of a hub that serves to those of cfg, with the same defaults as for
// NewHub: see Config. It does not look at the fixed fields that are functions, interfaces or pointers, and
// the hub keeps those that it has. If another fixed field has another value, the error names it, and nothing
// has changed. It may be called from any goroutine, with no lock held.
func (h *Hub) Reconfigure(cfg Config) error {
	h.reconfiguring.Lock()
	defer h.reconfiguring.Unlock()
	old, next := h.Config(), cfg.withDefaults()
	if err := old.fixed(&next); err != nil {
		return err
	}
	next.Engine, next.Ended, next.Tokens, next.Guests, next.Revoked = old.Engine, old.Ended, old.Tokens, old.Guests, old.Revoked
	next.Audit, next.Log, next.FollowUp, next.Backend, next.Calls, next.Options = old.Audit, old.Log, old.FollowUp, old.Backend, old.Calls, old.Options
	next.idleEvery = old.idleEvery
	h.cfg.Store(&next)
	h.roomPool.SetLimit(int64(next.MaxRooms))
	h.meter.SetLimits(next.costs(), h.usages())
	h.work.SetMaxCalls(next.MaxCalls)
	return nil
}

// usages returns the Usage of each connection that has one.
func (h *Hub) usages() iter.Seq[*cost.Usage] {
	return func(yield func(*cost.Usage) bool) {
		for c := range h.server.Conns() {
			if p := identity.PrincipalOf(c); p != nil && !yield(&p.Usage) {
				return
			}
		}
	}
}

// fixed returns an error if a fixed field that is a value is another one in next.
func (c *Config) fixed(next *Config) error {
	for _, f := range []struct {
		name     string
		is, want any
	}{
		{"PingInterval", c.PingInterval, next.PingInterval},
		{"PongTimeout", c.PongTimeout, next.PongTimeout},
		{"Version", c.Version, next.Version},
	} {
		if f.is != f.want {
			return fmt.Errorf("room: Config.%s is %v, and cannot become %v while the hub serves: make a new hub", f.name, f.is, f.want)
		}
	}
	return nil
}

// costs returns the limits of the hub's Meter.
func (c *Config) costs() cost.Limits {
	return cost.Limits{Rates: c.Rates, UserRates: c.UserRates, Refusals: c.Refusals, MaxConnsPerUser: c.MaxConnsPerUser, MaxReply: c.MaxReply, MaxReplies: c.MaxReplies}
}

// Rejudge applies new rights to the rooms that there are, and judges their members anew: it is called after the results of
// Config.Options have changed. It may be called from any goroutine, with no lock held.
func (h *Hub) Rejudge() {
	var names []string
	for _, r := range h.Rooms() {
		r.opts.Store(h.Options(r.name))
		names = append(names, r.name)
	}
	h.control.Rejudge(names)
}
