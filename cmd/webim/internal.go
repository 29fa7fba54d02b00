package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"webim/netpoll"
)

// internal is the listener that is not for the world. It is a server of its own, so
// that it answers when the clients' one is full, or busy, or has gone.
type internal struct {
	addr   net.Addr
	server *netpoll.Server
}

// The bounds of the internal listener: few ask there. An address leaves most of the
// connections to others. Loopback and proxies have no bound, but of all that come the
// silent ones give way, so that they keep no operator out.
const (
	internalConns   = 256
	internalFDs     = internalConns + 64 // with those that are being refused, epoll and the listeners
	internalPerIP   = 64
	internalHTTP    = 192 // of them, of one address; netpoll gives one a quarter
	internalMessage = 16 << 10
	internalQueued  = 64 << 20

	internalHandshake = 3 * time.Second
)

// newInternal makes the server; it does not listen yet.
func (p *program) newInternal(h http.Handler) *internal {
	c := p.cfg
	nc := netpoll.Config{
		Loops: 1, Workers: 2,
		MaxConns: internalConns, MaxConnsPerIP: internalPerIP, MaxHandshakesPerIP: internalPerIP / 4, MaxHTTP: 4 * internalHTTP,
		Exempt: c.proxies(), ExemptUnix: c.unixProxy(), MaxHead: c.MaxHead, Health: p.health.answer,
		MaxMessage: internalMessage, MaxUnfinished: internalConns * internalMessage, MaxQueued: internalQueued,
		HandshakeTimeout: min(c.HandshakeTimeout, internalHandshake), PingInterval: c.PingInterval, PongTimeout: c.PongTimeout,
		WriteTimeout: c.WriteTimeout, CloseTimeout: c.CloseTimeout,
		HTTP: h, Logger: p.log,
	}
	if p.feed == nil {
		return &internal{server: netpoll.New(nc, noSockets)}
	}
	return &internal{server: netpoll.New(nc, p.feed)}
}

// noSockets refuses WebSockets.
var noSockets = &netpoll.Funcs{OnHandshake: func(r *netpoll.Request) { r.Refuse(http.StatusNotFound, "there are no WebSockets here") }}

// openInternal opens the listener.
func (p *program) openInternal() error {
	addrs, err := listenOn(p.inner.server, p.cfg.Internal, nil)
	if err != nil {
		return err
	}
	p.inner.addr = addrs[0]
	for _, addr := range addrs {
		p.log.Info("listening", "addr", addr.String(), "network", addr.Network(), "internal", true)
	}
	return nil
}

// close ends it, after the clients: until then a balancer may still ask, and
// somebody watch how they leave.
func (in *internal) close(ctx context.Context) {
	if in != nil {
		_ = in.server.Shutdown(ctx, 0) // who is still there when ctx ends is cut
	}
}
