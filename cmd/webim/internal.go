package main

import (
	"context"
	"net"
	"net/http"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/listen"
	"webim/cmd/webim/internal/metrics"
	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/version"
	"webim/netpoll"
	"webim/room/flight"
)

// internal is the listener for operators, which must not be public. It has a server of its own,
// so that it answers when the clients' server is full, busy or closed.
type internal struct {
	addr    net.Addr
	handler http.Handler
	server  *netpoll.Server
}

// newInternal creates the server, but does not listen yet.
func (p *program) newInternal(h http.Handler) {
	p.inner = &internal{handler: p.operatorOver(h)}
	p.inner.server = netpoll.New(p.internalConfig(p.cfg), p.feed)
}

// internalConfig returns the configuration of the server.
func (p *program) internalConfig(c *config.Config) netpoll.Config {
	nc := c.InternalConfig()
	nc.Health, nc.HTTP, nc.Logger = p.health.Answer, p.inner.handler, p.log
	return nc
}

// operatorOver returns a handler that serves the paths for operators, and passes all others to rest.
func (p *program) operatorOver(rest http.Handler) http.Handler {
	mc := metrics.Config{Server: p.server, Hub: p.hub, Hooks: p.hooks, Ready: p.health.Ready}
	mc.Version, mc.Revision, mc.GoVersion = version.Build()
	why := func(who string, done func(any)) { p.flights.Collect(p.hub, who, func(f flight.Found) { done(f) }) }
	switch {
	case p.ACME != nil:
		mc.Until = p.ACME.Until
	case p.Certs != nil:
		mc.Until = p.Certs.Until
	}
	return operator.Over(operator.Config{Guard: p.guard, Metrics: metrics.Handler(mc), MetricsOpen: func() bool { return p.live.Load().metricsOpen }, Why: why, Reload: p.serveReload, Upgrade: p.serveUpgrade, Logger: p.log}, rest)
}

// openInternal opens the listener.
func (p *program) openInternal() error {
	addrs, err := listen.Open(p.inner.server, p.cfg.Internal, nil, false, p.inherit(fileInternal))
	if err != nil {
		return err
	}
	p.inner.addr = addrs[0]
	for _, addr := range addrs {
		p.log.Info("listening", "addr", addr.String(), "network", addr.Network(), "internal", true)
	}
	return nil
}

// close closes the listener after the clients have left: until then load balancers may still
// ask for /health, and operators may watch the shutdown.
func (in *internal) close(ctx context.Context) {
	if in != nil {
		_ = in.server.Shutdown(ctx, 0) // cuts off connections that remain when ctx ends
	}
}
