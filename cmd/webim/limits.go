package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"webim/netpoll"
)

// ownFiles is how many files the program may have open besides its clients, hooks and
// the internal listener: standard streams, epoll, listeners, connections that are being
// refused. It is the reserve of package netpoll.
const ownFiles = 64

// fewClients are so few that the limit of open files is hardly what was meant.
const fewClients = 64

// raiseFiles raises the soft limit of open files to the hard one, and returns
// it: each client is a file. A failure leaves it as it is. The Go runtime
// does this too, but as its own decision.
func raiseFiles() (limit uint64) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	old := l.Cur
	if l.Cur = l.Max; unix.Setrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return old
	}
	return l.Cur
}

// fileWarnings says whether the limit of open files allows the clients that are
// promised.
func (c *config) fileWarnings(limit uint64) []string {
	if c.MaxConns == auto && ownFiles+uint64(c.reserveFDs())+fewClients > limit {
		return []string{fmt.Sprintf("the limit of open files is %d, and this program may need %d besides its clients (hook_concurrency, internal), so that there is hardly room for any: raise the limit (ulimit -n, LimitNOFILE= of systemd)", limit, ownFiles+c.reserveFDs())}
	}
	if uint64(c.MaxConns)+ownFiles+uint64(c.reserveFDs()) <= limit {
		return nil
	}
	return []string{fmt.Sprintf("max_conns is %d, more than the limit of open files, which is %d, allows: lower it, or raise the limit (ulimit -n, LimitNOFILE= of systemd)", c.MaxConns, limit)}
}

// netpollConfig is the settings that package netpoll has.
func (c *config) netpollConfig() netpoll.Config {
	return netpoll.Config{
		Loops: c.Loops, Workers: c.Workers,
		MaxConns: c.MaxConns, MaxConnsPerIP: c.MaxConnsPerIP, MaxHandshakesPerIP: c.MaxHandshakesPerIP,
		MaxTLSHandshakes: c.MaxTLSHandshakes, MaxHTTP: c.MaxHTTP, MaxHead: c.MaxHead, ReserveFDs: c.reserveFDs(),
		HandshakeTimeout: c.HandshakeTimeout, PingInterval: c.PingInterval, PongTimeout: c.PongTimeout,
		WriteTimeout: c.WriteTimeout, CloseTimeout: c.CloseTimeout, MessageTimeout: c.MessageTimeout,
		MaxMessage: c.MaxMessage, MaxRestricted: c.MaxFirstMessage, MaxFragments: c.MaxFragments, MaxUnfinished: int64(c.MaxUnfinished), ControlRate: c.ControlRate,
		MaxQueue: c.MaxQueue, MaxQueued: int64(c.MaxQueued),
		HighWater: c.HighWater, LowWater: c.LowWater, SendBuffer: c.SendBuffer,
		NoDeflate: !c.Deflate, DeflateMin: c.DeflateMin,
		CheckOrigin: c.originRule(),
		Exempt:      c.proxies(), ExemptUnix: c.unixProxy(),
	}
}

// proxies are the addresses of --proxy.
func (c *config) proxies() (all []netip.Prefix) {
	for _, text := range c.Proxy {
		if p, err := parsePrefix(text); err == nil { // else validate has said so
			all = append(all, p)
		}
	}
	return all
}

// unixProxy is what --proxy says when it means the clients of Unix sockets.
const unixProxyName = "unix"

func (c *config) unixProxy() bool {
	return slices.ContainsFunc(c.Proxy, isUnixProxy)
}

// isUnixProxy takes unix: for unix, as it stands before a path.
func isUnixProxy(text string) bool { return strings.TrimSuffix(text, ":") == unixProxyName }

// proxyWarnings tells of Unix sockets whose clients all count as one.
func (c *config) proxyWarnings() []string {
	for _, text := range append(slices.Clone(c.Listen), c.TLSListen...) {
		if a, err := parseAddress(text); err == nil && a.network == "unix" && !c.unixProxy() {
			return []string{c.inTerms(text+" has no addresses of clients, so bans by address and limits of an address do nothing there: if a proxy connects to it, add {proxy unix}", "listen")}
		}
	}
	return nil
}

// reserveFDs is how many descriptors the parts of the program beside the clients may
// need.
func (c *config) reserveFDs() (n int) {
	if c.Internal != "" {
		n += internalFDs
	}
	return n + c.hookPlaces()
}

// parsePrefix reads a network, or one address as a network of its own.
func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if addr, err2 := netip.ParseAddr(text); err2 == nil {
		p, err = addr.WithZone("").Prefix(addr.BitLen())
	}
	if err != nil {
		return p, fmt.Errorf("%q is neither an address nor a network: write it as 10.0.0.1 or 10.0.0.0/8", text)
	}
	return p.Masked(), nil
}
