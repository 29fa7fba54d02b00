package config

import (
	"time"

	"webim/netpoll"
)

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

// InternalConfig returns the configuration of the internal listener for package netpoll.
func (c *Config) InternalConfig() netpoll.Config {
	return netpoll.Config{
		Loops: 1, Workers: 2,
		MaxConns: internalConns, MaxConnsPerIP: internalPerIP, MaxHandshakesPerIP: internalPerIP / 4, MaxHTTP: 4 * internalHTTP,
		Exempt: c.proxies(), ExemptUnix: c.unixProxy(), MaxHead: c.MaxHead,
		MaxMessage: internalMessage, MaxUnfinished: internalConns * internalMessage, MaxQueued: internalQueued,
		HandshakeTimeout: min(c.HandshakeTimeout, internalHandshake), PingInterval: c.PingInterval, PongTimeout: c.PongTimeout,
		WriteTimeout: c.WriteTimeout, CloseTimeout: c.CloseTimeout,
	}
}
