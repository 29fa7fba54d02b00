package main

import (
	"net/http"
	"time"

	"webim/cmd/webim/internal/metrics"
	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/version"
	"webim/netpoll"
	"webim/room/flight"
)

// newInternal creates the server, but does not listen yet.
func (p *program) newInternal(h http.Handler) {
	p.inner = &internal{handler: p.operatorOver(h)}
	p.inner.server = netpoll.New(p.internalConfig(p.cfg), p.feed)
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
	next := &newKeys{cfg: p.cfg, began: time.Now()}
	return operator.Over(operator.Config{NewKey: next.find, Guard: p.guard, Metrics: metrics.Handler(mc), MetricsOpen: func() bool { return p.live.Load().metricsOpen }, Why: why, Reload: p.serveReload, Upgrade: p.serveUpgrade, Logger: p.log}, rest)
}
