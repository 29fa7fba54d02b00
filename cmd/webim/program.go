package main

import (
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
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/embedded"
	"webim/room/flight"
	"webim/room/guest"
	"webim/room/hooks"
	"webim/room/live"
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
	pages   http.Handler    // of requests of clients that are not WebSockets
	flights *flight.Recorder
	inner   *internal  // nil without --internal
	plain   []net.Addr // bound addresses, in the order of --listen
	secure  []net.Addr

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

// newProgram returns a program that logs to errs.
func newProgram(c *config.Config, errs io.Writer) *program {
	log, level := c.NewLogger(errs)
	p := &program{cfg: c, now: c, log: log, level: level, flights: flight.New(), manager: manager.New(log), reloads: make(chan request), upgrades: make(chan upgradeRequest)}
	if inherited.Rehearsal() { // the log says the rest when it counts
		level.Set(max(level.Level(), slog.LevelError))
	}
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

// A request is a request of an operator to the goroutine of run.
type request struct {
	by     string
	answer chan<- answer // nil: nobody waits
}

// reply answers the request. It is called once.
func (q request) reply(a answer) {
	if q.answer != nil {
		q.answer <- a
	}
}

type answer struct {
	text string
	err  error
}
