package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/health"
	"webim/cmd/webim/internal/manager"
	"webim/cmd/webim/internal/upgrade"
	"webim/netpoll"
	"webim/room"
	"webim/room/apikey"
	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/embedded"
	"webim/room/flight"
	"webim/room/guest"
	"webim/room/hooks"
	"webim/room/live"
	"webim/room/policy"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// A program is a running server with all its parts.
type program struct {
	*config.Prepared
	cfg     *config.Config // at the start
	now     *config.Config // after the last reload; of the goroutine of run
	live    atomic.Pointer[liveSettings]
	log     *slog.Logger
	level   *slog.LevelVar // of log
	server  *netpoll.Server
	health  health.Health
	hub     *room.Hub
	hooks   *hooks.Switch // also if no hook is configured: a reload may add one
	guests  *guest.Guests
	guard   *apikey.Guard   // of the server API, the live picture and the paths for operators
	feed    *live.Feed      // the live picture
	clients netpoll.Handler // of connections of clients
	site    http.Handler    // the page and the manual
	pages   http.Handler    // of requests of clients that are not WebSockets
	flights *flight.Recorder
	inner   *internal  // nil without --internal
	plain   []net.Addr // bound addresses, in the order of --listen
	secure  []net.Addr

	signals *signalled
	manager *manager.Manager
	use     storeUse         // of the engine
	opened  jetstream.Config // of the store that was opened; Connect also for others than the engine
	closers []func()         // see onClose

	reloads  chan request // to the goroutine of run, as upgrades
	upgrades chan upgradeRequest

	from        *takeover // nil: the program starts by itself
	gate        upgrade.Gate
	guestSecret []byte           // of guests
	store       *embedded.Server // nil: the engine is another
}

// liveSettings are the settings that are read for each request, and that a reload replaces as a whole.
type liveSettings struct {
	patterns    policy.Patterns
	keep        func(room string) engine.Retention
	api         bool // the clients' addresses serve the API
	metricsOpen bool
}

// newProgram returns a program that logs to errs.
func newProgram(c *config.Config, errs io.Writer) *program {
	log, level := c.NewLogger(errs)
	p := &program{cfg: c, now: c, log: log, level: level, flights: flight.New(), manager: manager.New(log), reloads: make(chan request), upgrades: make(chan upgradeRequest)}
	p.setLive(c)
	return p
}

// onClose registers f. close calls the functions in reverse order.
func (p *program) onClose(f func()) { p.closers = append(p.closers, f) }

// close closes the parts in reverse order of their creation. Later calls do nothing.
func (p *program) close() {
	for _, f := range slices.Backward(p.closers) {
		f()
	}
	p.closers = nil
}

// setLive makes the settings of c those of the next request.
func (p *program) setLive(c *config.Config) {
	p.live.Store(&liveSettings{c.Patterns(), c.Keep(), c.API, c.MetricsOpen})
}

// options is room.Config.Options.
func (p *program) options(name string) *policy.Options { return p.live.Load().patterns.Options(name) }

// apiOutside reports whether the clients' addresses serve the API.
func (p *program) apiOutside() bool { return p.guard.HasKeys() && p.live.Load().api }

// say logs the warnings about the settings and the bounds of memory.
func (p *program) say() {
	for _, warning := range p.Warnings {
		p.log.Warn(warning)
	}
	p.Memory.Apply(p.log)
}

// clientsConfig returns the configuration of the clients' server.
func (p *program) clientsConfig(c *config.Config) netpoll.Config {
	nc := c.NetpollConfig()
	nc.Logger = p.log
	nc.Health, nc.NeverOpened = p.health.Answer, p.flights.NeverOpened
	return nc
}

// A storeUse says which process opens the store.
type storeUse int

const (
	byServe   storeUse = iota
	byCommand          // a command that works on a store, which another process may use
	byRestore          // a command that replaces the store: the folder may be new, and nobody may use it
)

// internal is the listener for operators, which must not be public. It has a server of its own,
// so that it answers when the clients' server is full, busy or closed.
type internal struct {
	addr    net.Addr
	handler http.Handler
	server  *netpoll.Server
}

// closeServers disconnects the clients, all at once when ctx ends, closes the internal server at the latest after --shutdown-timeout, and then all parts.
func (p *program) closeServers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.now.ShutdownTimeout)
	defer cancel()
	if err := p.server.Shutdown(ctx, p.now.ShutdownSpread); err != nil {
		p.log.Warn("some clients did not leave in time and were cut", "timeout", p.now.ShutdownTimeout)
	}
	if p.inner != nil { // until now load balancers have asked for /health, and operators have watched the shutdown
		p.manager.Watch(p.inner.server)
		_ = p.inner.server.Shutdown(ctx, 0) // cuts off connections that remain when ctx ends
	}
	p.close()
}

// internalConfig returns the configuration of the internal server.
func (p *program) internalConfig(c *config.Config) netpoll.Config {
	nc := c.InternalConfig()
	nc.Health, nc.HTTP, nc.Logger = p.health.Answer, p.inner.handler, p.log
	return nc
}

// newHooks makes the hooks of a configuration.
func (p *program) newHooks(c *config.Config, secret string) *hooks.Hooks {
	hc := c.HooksConfig(secret)
	hc.Logger = p.log
	return hooks.New(hc)
}
