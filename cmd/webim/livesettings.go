package main

import (
	"webim/cmd/webim/internal/config"
	"webim/room/engine"
	"webim/room/policy"
)

// liveSettings are the settings that are read for each request, and that a reload replaces as a whole.
type liveSettings struct {
	patterns    policy.Patterns
	kept        engine.Retention // of rooms that no pattern allows any more
	api         bool             // the clients' addresses serve the API
	metricsOpen bool
}

// setLive makes the settings of c those of the next request.
func (p *program) setLive(c *config.Config) {
	p.live.Store(&liveSettings{c.Patterns(), c.Retention(), c.API, c.MetricsOpen})
}

// options is room.Config.Options.
func (p *program) options(name string) *policy.Options { return p.live.Load().patterns.Options(name) }

// keep is jetstream.Config.Keep.
func (p *program) keep(name string) engine.Retention {
	now := p.live.Load()
	if o := now.patterns.Options(name); o != nil {
		return o.History
	}
	return now.kept
}

// apiOutside reports whether the clients' addresses serve the API.
func (p *program) apiOutside() bool { return p.guard.HasKeys() && p.live.Load().api }
