package netpoll

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"webim/netpoll/internal/wheel"
)

// Reconfigure puts other settings into force, in the place of all present ones, also while the server
// serves. It fills in defaults as New does. Limits then hold for present connections, too: nobody is
// closed because there are fewer slots now, but nobody gets one until enough have ended; and a queue, a
// message or a message that is under way is judged by the new limit when it next grows. Times begin to
// hold with the next heartbeat, handshake or close, and at once for output that waits and for messages
// that are unfinished. They are as exact as the settings of New ask for: the step of the clock, 100 ms
// or less, stays.
//
// Fields that cannot change in a running server say so. If one of them has another value, the error names it, and
// nothing has changed. Reconfigure may be called from anywhere, also before Listen.
func (s *Server) Reconfigure(cfg Config) error {
	s.mu.Lock()
	old := s.cfg()
	cfg.Loops, cfg.Workers = cmp.Or(cfg.Loops, old.Loops), cmp.Or(cfg.Workers, old.Workers)
	cfg.Logger = cmp.Or(cfg.Logger, old.Logger)
	cfg = cfg.withDefaults()
	err := old.refuseFixed(&cfg)
	if err == nil {
		s.putIntoForce(cfg)
	}
	s.mu.Unlock()
	if err == nil {
		s.assignTLSSlots() // there may be more of them
		s.checkStalled()
	}
	return err
}

// refuseFixed returns an error if next changes a field that cannot change in a running server.
func (c *settings) refuseFixed(next *Config) error {
	var changed []string
	for _, f := range [...]struct {
		name string
		same bool
	}{
		{"Loops", next.Loops == c.Loops},
		{"Workers", next.Workers == c.Workers},
		{"RunOnLoop", next.RunOnLoop == c.RunOnLoop},
		{"SendBuffer", next.SendBuffer == c.SendBuffer},
		{"Logger", next.Logger == c.Logger},
	} {
		if !f.same {
			changed = append(changed, f.name)
		}
	}
	if len(changed) > 0 {
		return fmt.Errorf("netpoll: %s cannot change in a running server: make a new server, or leave it as it is", strings.Join(changed, ", "))
	}
	return nil
}

// putIntoForce makes cfg, with its defaults filled in, the settings in force.
func (s *Server) putIntoForce(cfg Config) {
	t := s.clock.Ticks
	now := &settings{Config: cfg, ticks: ticks{handshake: t(cfg.HandshakeTimeout), write: t(cfg.WriteTimeout),
		close: t(cfg.CloseTimeout), linger: t(min(cfg.CloseTimeout, time.Second)), message: t(cfg.MessageTimeout)}}
	if cfg.PingInterval > 0 {
		now.pings = wheel.Every(t(cfg.PingInterval), t(cfg.PongTimeout), false)
	}
	s.settings.Store(now)
	s.addrs.SetProxies(cfg.Exempt, cfg.ExemptUnix)
	s.tlsSlots.SetTotal(cfg.MaxTLSHandshakes)
	s.httpConns.SetMax(cfg.MaxHTTP)
	s.queued.SetLimit(cfg.MaxQueued)
	s.unfinished.SetLimit(cfg.MaxUnfinished)
}

// checkStalled has the deadlines of those connections checked that have waiting output or an unfinished
// message: they may be due by new settings.
func (s *Server) checkStalled() {
	next := s.clock.Look() + 1
	for c := range s.all() {
		if c.r.flags.Load()&(fBlocked|fUnfinished) == 0 || !c.lock() {
			continue
		}
		if c.r.w&wDead == 0 { // otherwise it is off the wheel
			s.armBy(c.r, next)
		}
		c.r.mu.Unlock()
	}
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
