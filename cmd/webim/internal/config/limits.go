package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"webim/cmd/webim/internal/listen"
	"webim/cmd/webim/internal/origins"
	"webim/cmd/webim/internal/setting"
	"webim/netpoll"
)

// ownFiles is the number of files that the program may have open besides those of clients,
// hooks and the internal listener: standard streams, epoll, listeners, and connections that are
// being refused. Package netpoll reserves the same number.
const ownFiles = 64

// If the limit of open files allows fewer than fewClients clients, the limit was hardly meant
// so.
const fewClients = 64

// raiseFiles raises the soft limit of open files to the hard limit and returns it, because each
// client is a file. If that fails, the limit stays as it is. The Go runtime does the same
// today, but does not promise it.
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

// fileWarnings warns if the limit of open files is too low for the configured number of
// clients.
func (c *Config) fileWarnings(limit uint64) []string {
	if c.MaxConns == setting.Auto && ownFiles+uint64(c.reserveFDs())+fewClients > limit {
		return []string{fmt.Sprintf("the limit of open files is %d, and this program may need %d besides its clients (hook_concurrency, internal), which leaves almost none for clients: raise the limit (ulimit -n, LimitNOFILE= of systemd)", limit, ownFiles+c.reserveFDs())}
	}
	if uint64(c.MaxConns)+ownFiles+uint64(c.reserveFDs()) <= limit {
		return nil
	}
	return []string{fmt.Sprintf("max_conns is %d, more than the limit of open files, which is %d, allows: lower it, or raise the limit (ulimit -n, LimitNOFILE= of systemd)", c.MaxConns, limit)}
}

// NetpollConfig returns the configuration for package netpoll.
func (c *Config) NetpollConfig() netpoll.Config {
	return netpoll.Config{
		Loops: c.Loops, Workers: c.Workers, RunOnLoop: true,
		MaxConns: c.MaxConns, MaxConnsPerIP: c.MaxConnsPerIP, MaxHandshakesPerIP: c.MaxHandshakesPerIP,
		MaxTLSHandshakes: c.MaxTLSHandshakes, MaxHTTP: c.MaxHTTP, MaxHead: c.MaxHead, ReserveFDs: c.reserveFDs(),
		HandshakeTimeout: c.HandshakeTimeout, PingInterval: c.PingInterval, PongTimeout: c.PongTimeout,
		WriteTimeout: c.WriteTimeout, CloseTimeout: c.CloseTimeout, MessageTimeout: c.MessageTimeout,
		MaxMessage: c.MaxMessage, MaxRestricted: c.MaxFirstMessage, MaxFragments: c.MaxFragments, MaxUnfinished: int64(c.MaxUnfinished), ControlRate: c.ControlRate,
		MaxQueue: c.MaxQueue, MaxQueued: int64(c.MaxQueued),
		HighWater: c.HighWater, LowWater: c.LowWater, SendBuffer: c.SendBuffer,
		NoDeflate: !c.Deflate, DeflateMin: c.DeflateMin,
		CheckOrigin: origins.Rule(c.AllowOrigin, c.Dev),
		Exempt:      c.proxies(), ExemptUnix: c.unixProxy(),
	}
}

// proxies returns the networks of --proxy.
func (c *Config) proxies() (all []netip.Prefix) {
	for _, text := range c.Proxy {
		if p, err := parsePrefix(text); err == nil { // validate has refused all others
			all = append(all, p)
		}
	}
	return all
}

// unixProxyName is the value of --proxy that means all clients of Unix sockets.
const unixProxyName = "unix"

func (c *Config) unixProxy() bool {
	return slices.ContainsFunc(c.Proxy, isUnixProxy)
}

// isUnixProxy accepts unix: for unix, because addresses write it with the colon.
func isUnixProxy(text string) bool { return strings.TrimSuffix(text, ":") == unixProxyName }

// proxyWarnings warns of networks with all addresses, of Unix sockets if their clients cannot be told apart, and of proxies on Unix sockets
// where there are none.
func (c *Config) proxyWarnings() (all []string) {
	for _, p := range c.proxies() {
		if p.Bits() == 0 {
			all = append(all, fmt.Sprintf("%s: %s has all addresses, so that each client may say which address it has, and no limit of an address holds: list the addresses of the proxies", c.place("proxy"), p))
		}
	}
	addrs := append(slices.Clone(c.Listen), c.TLSListen...)
	i := slices.IndexFunc(addrs, func(text string) bool {
		a, err := listen.Parse(text)
		return err == nil && a.Network == "unix"
	})
	switch {
	case i >= 0 && !c.unixProxy():
		all = append(all, c.inTerms(addrs[i]+" has no addresses of clients, so bans by address and limits of an address do nothing there: if a proxy connects to it, add {proxy unix}", "listen"))
	case i < 0 && c.unixProxy():
		all = append(all, c.place("proxy")+": unix has no effect, because no address to listen on is a Unix socket")
	}
	return all
}

// reserveFDs returns the number of file descriptors that the hooks and the internal listener
// may need.
func (c *Config) reserveFDs() (n int) {
	if c.Internal != "" {
		n += internalFDs
	}
	return n + c.hookPlaces()
}

// parsePrefix parses a network, or an address as a network of one address.
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
