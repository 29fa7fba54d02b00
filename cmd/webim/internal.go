package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"webim/netpoll"
)

// internal is the listener for operators, which must not be public. It has a server of its own,
// so that it answers when the clients' server is full, busy or closed.
type internal struct {
	addr   net.Addr
	server *netpoll.Server
}

// The limits of the internal listener, which has few users. One address gets a minor share of
// the connections. Loopback and proxies are unlimited, but if connections run out, the silent
// ones are closed first, so that they cannot keep an operator out.
const (
	internalConns   = 256
	internalFDs     = internalConns + 64 // including refused connections, epoll and the listeners
	internalPerIP   = 64
	internalHTTP    = 192 // for one address; netpoll allows an address a quarter of MaxHTTP
	internalMessage = 16 << 10
	internalQueued  = 64 << 20

	internalHandshake = 3 * time.Second
)

// newInternal creates the server, but does not listen yet.
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

// close closes the listener after the clients have left: until then load balancers may still
// ask for /health, and operators may watch the shutdown.
func (in *internal) close(ctx context.Context) {
	if in != nil {
		_ = in.server.Shutdown(ctx, 0) // cuts off connections that remain when ctx ends
	}
}
