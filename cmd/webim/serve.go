package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"

	"webim/netpoll"
	"webim/room"
	"webim/room/apikey"
	"webim/room/hooks"
	"webim/room/live"
	"webim/room/mux"
	"webim/room/token"
)

// A program is a running server with all its parts.
type program struct {
	*prepared
	cfg    *config
	log    *slog.Logger
	server *netpoll.Server
	health health
	hub    *room.Hub
	hooks  *hooks.Hooks  // nil if no hook is configured
	guard  *apikey.Guard // of the live picture; nil if nobody could open it
	feed   *live.Feed    // nil if nobody could open the live picture
	inner  *internal     // nil without --internal
	plain  []net.Addr    // bound addresses, in the order of --listen
	secure []net.Addr

	closers      []func()    // see onClose
	notifyFailed atomic.Bool // a failed notification has been logged
}

// serve runs the server until a signal ends it. It writes the page's address to out and its log
// to errs.
func serve(c *config, out, errs io.Writer) error {
	// Register first, so that no signal is missed.
	signals, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	signal.Notify(hangups, syscall.SIGHUP)

	setGC()
	p := &program{cfg: c, log: c.newLogger(errs)}
	slog.SetDefault(p.log)
	if err := p.start(); err != nil {
		return err
	}
	p.log.Info("limit of open files", "files", p.files, "clients", p.server.Config().MaxConns)
	p.greet(out)
	collect() // garbage from starting
	p.notifyReady()
	return p.run(signals, hangups)
}

// run serves until a signal arrives. Then it waits until all clients have left or a second
// signal arrives.
func (p *program) run(signals, hangups <-chan os.Signal) error {
	var ended chan struct{}
	for {
		select {
		case <-hangups:
			if ended == nil {
				p.reload()
			}
		case sig := <-signals:
			if ended != nil {
				return fmt.Errorf("a second signal (%v) ended it before all clients had left", sig)
			}
			p.log.Info("shutting down", "signal", sig.String(), "spread", p.cfg.ShutdownSpread, "timeout", p.cfg.ShutdownTimeout)
			ended = make(chan struct{})
			go func() {
				defer close(ended)
				p.stop()
			}()
		case <-ended:
			return nil
		}
	}
}

// reload reloads the certificate, the only part that can be reloaded without a restart.
func (p *program) reload() {
	p.log.Info("SIGHUP: the certificate is read again; all other settings are read at start only")
	p.notifyReload()
	if p.certs != nil {
		p.certs.look(p.log, true)
	}
	p.notifyServing()
}

// start creates the parts and opens the listeners. If a step fails, start closes the parts
// created before, in reverse order.
func (p *program) start() (err error) {
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.prepared, err = p.cfg.prepare(); err != nil {
		return err
	}
	p.onClose(p.prepared.close)
	p.say()
	rc, err := p.rooms()
	if err != nil {
		return err
	}
	p.hub = room.NewHub(rc)
	p.health.fault = p.hub.StoreFault
	if err := p.serveClients(); err != nil {
		return err
	}
	if err := p.listen(); err != nil {
		return err
	}
	p.server.Tick(janitorInterval, newJanitor().look)
	if p.certs != nil {
		p.server.Tick(certificateInterval, func() { p.certs.look(p.log, false) })
	}
	return nil
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
	for _, warning := range p.warnings {
		p.log.Warn(warning)
	}
	p.memory.apply()
	p.log.Info("memory", "bounds", total(p.memory.bounds), "available", p.memory.limit, "set_by", p.memory.set, "gomemlimit", debug.SetMemoryLimit(-1))
}

// rooms returns the configuration of the hub, and creates the token verifier and the hooks in
// it.
func (p *program) rooms() (rc room.Config, err error) {
	rc = p.cfg.roomConfig()
	if rc.Engine, err = p.openEngine(); err != nil {
		return rc, err
	}
	if p.tokens != nil {
		p.jwks.tell(p.log)
		p.tokens.Start()
		rc.Tokens = p.tokens
	}
	rc.Revoked, rc.Audit, rc.Log = &token.Revoked{}, p.log, p.log
	if rc.Anonymous {
		if rc.Guests, err = guestsOf(p.tokenKeys); err != nil {
			return rc, err
		}
	}
	if p.hooks = p.hooksOf(); p.hooks != nil {
		rc.Backend = p.hooks
		p.onClose(p.closeHooks)
	}
	return rc, nil
}

// serveClients creates the servers, but does not listen yet.
func (p *program) serveClients() error {
	pages, inside, err := p.handlers()
	if err != nil {
		return err
	}
	nc := p.cfg.netpollConfig()
	nc.Logger = p.log
	nc.HTTP = pages
	nc.Health = p.health.answer
	dialects := mux.New(p.hub)
	h := handler(dialects, p.log)
	if p.feed != nil && p.cfg.Dev {
		h = &liveHandler{dialects, h, p.feed}
	}
	p.server = netpoll.New(nc, h)
	dialects.Start(p.server)
	p.onClose(p.hub.Stop)
	if p.cfg.Internal != "" {
		p.inner = p.newInternal(inside)
		p.onClose(func() { _ = p.inner.server.Close() })
	}
	p.onClose(func() { _ = p.server.Close() })
	p.startFeed()
	return nil
}

// listen opens all listeners, the internal one last.
func (p *program) listen() (err error) {
	for _, text := range p.cfg.Listen {
		if p.plain, err = p.open(p.plain, text, false); err != nil {
			return err
		}
	}
	for _, text := range p.cfg.TLSListen {
		if p.secure, err = p.open(p.secure, text, true); err != nil {
			return err
		}
	}
	if p.inner != nil {
		return p.openInternal()
	}
	return nil
}

// open opens one address for clients and appends the bound addresses to all.
func (p *program) open(all []net.Addr, text string, secure bool) ([]net.Addr, error) {
	var config *tls.Config
	if secure {
		config = p.certs.config()
	}
	addrs, err := listenOn(p.server, text, config)
	if err != nil {
		return all, err
	}
	for _, addr := range addrs {
		p.log.Info("listening", "addr", addr.String(), "network", addr.Network(), "tls", secure)
	}
	return append(all, addrs...), nil
}

// listenOn opens the listeners of one address.
func listenOn(s *netpoll.Server, text string, config *tls.Config) (addrs []net.Addr, err error) {
	a, err := parseAddress(text)
	if err != nil {
		return nil, err
	}
	if err := a.clear(); err != nil {
		return nil, err
	}
	for i, l := range a.listeners() {
		l.TLS = config
		if i > 0 && a.anyPort() { // use the port that the kernel chose for the first listener
			l.Addr = net.JoinHostPort("::1", strconv.Itoa(addrs[0].(*net.TCPAddr).Port))
		}
		addr, err := s.Listen(l)
		switch {
		case i > 0 && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)):
			return addrs, nil // this machine has no IPv6
		case err != nil:
			return nil, a.cannotListen(text, err)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// greet prints the addresses of the page, the API and the live picture, with --dev only.
func (p *program) greet(out io.Writer) {
	if !p.cfg.Dev {
		return
	}
	scheme, addrs := "http", p.plain
	if len(addrs) == 0 {
		scheme, addrs = "https", p.secure
	}
	if addr, ok := addrs[0].(*net.TCPAddr); ok {
		fmt.Fprintf(out, "webim: open %s://%s/ in a browser\n", scheme, addr)
	}
	p.greetAPI(out)
}

// stop disconnects the clients and closes the server, at the latest at the deadline.
func (p *program) stop() {
	p.notifyStopping()
	p.health.stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.ShutdownTimeout)
	defer cancel()
	if err := p.server.Shutdown(ctx, p.cfg.ShutdownSpread); err != nil {
		p.log.Warn("some clients did not leave in time and were cut", "timeout", p.cfg.ShutdownTimeout)
	}
	p.inner.close(ctx)
	p.close()
	p.log.Info("ended")
}
