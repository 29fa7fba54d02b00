package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"webim/netpoll"
	"webim/room"
	"webim/room/api"
	"webim/room/live"
	"webim/room/token"
)

// A program is a server with all that belongs to it.
type program struct {
	cfg    *config
	log    *slog.Logger
	server *netpoll.Server
	health health
	certs  *certificates   // nil without TLS
	tokens *token.Verifier // nil without keys
	hub    *room.Hub
	hooks  *api.Hooks // nil without a backend to ask
	keys   []string   // of the API
	guard  *api.Guard // of the live picture
	feed   *live.Feed // nil if nobody could watch
	inner  *internal  // nil without --internal
	plain  []net.Addr // bound, in the order of --listen
	secure []net.Addr
}

// serve runs the server until a signal ends it. It writes the page's address
// to out and its log to errs.
func serve(c *config, out, errs io.Writer) error {
	// Asked for first, so that no signal is missed.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	setGC()
	files := raiseFiles()
	p := &program{cfg: c, log: c.newLogger(errs)}
	slog.SetDefault(p.log)
	if err := p.start(); err != nil {
		return err
	}
	logFiles(p.log, files, p.server.Config().MaxConns)
	p.greet(out)
	collect() // what starting left behind

	p.log.Info("shutting down", "signal", (<-signals).String(), "spread", c.ShutdownSpread, "timeout", c.ShutdownTimeout)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.stop()
	}()
	select {
	case <-ended:
		return nil
	case sig := <-signals:
		return fmt.Errorf("a second signal (%v) ended it before all clients had left", sig)
	}
}

// start wires the parts and opens the listeners.
func (p *program) start() error {
	var err error
	if p.keys, err = p.cfg.apiKeys(); err != nil {
		return err
	}
	keys, err := p.cfg.tokenKeys()
	if err != nil {
		return err
	}
	if p.tokens, err = p.cfg.verifierOf(keys); err != nil {
		return err
	}
	rc := p.cfg.roomConfig()
	if p.tokens != nil {
		for _, warning := range p.tokens.Warnings() {
			p.log.Warn(warning)
		}
		p.tokens.Start()
		rc.Tokens = p.tokens
	}
	rc.Revoked, rc.Audit = &token.Revoked{}, p.log
	if rc.Anonymous {
		if rc.Guests, err = guestsOf(keys); err != nil {
			p.closeTokens()
			return err
		}
	}
	if p.hooks, err = p.hooksOf(); err != nil {
		p.closeTokens()
		return err
	}
	if p.hooks != nil {
		rc.Backend = p.hooks
	}
	p.hub = room.NewHub(rc)
	pages, inside, err := p.handlers()
	if err != nil {
		p.closeHooks()
		p.closeTokens()
		return err
	}
	nc := p.cfg.netpollConfig()
	nc.Logger = p.log
	nc.HTTP = pages
	h := handler(p.hub, p.log)
	if p.feed != nil && p.cfg.Dev {
		h = &liveHub{p.hub, h, p.feed}
	}
	p.server = netpoll.New(nc, h)
	p.hub.Start(p.server)
	if p.cfg.Internal != "" {
		p.inner = p.newInternal(inside)
	}
	p.startFeed()
	if err = p.listen(); err == nil && p.inner != nil {
		err = p.openInternal()
	}
	if err != nil {
		_ = p.server.Close()
		if p.inner != nil {
			_ = p.inner.server.Close()
		}
		p.hub.Stop()
		p.closeHooks()
		p.closeTokens()
		return err
	}
	p.server.Tick(janitorInterval, newJanitor().look)
	return nil
}

// listen opens all listeners.
func (p *program) listen() (err error) {
	for _, text := range p.cfg.Listen {
		if p.plain, err = p.open(p.plain, text, false); err != nil {
			return err
		}
	}
	if len(p.cfg.TLSListen) == 0 {
		return nil
	}
	if p.certs, err = newCertificates(p.cfg.TLSCert, p.cfg.TLSKey); err != nil {
		return usagef("the certificate cannot be used: %v.", err)
	}
	for _, text := range p.cfg.TLSListen {
		if p.secure, err = p.open(p.secure, text, true); err != nil {
			return err
		}
	}
	return nil
}

// open opens one listener and appends its address.
func (p *program) open(all []net.Addr, text string, secure bool) ([]net.Addr, error) {
	a, err := parseAddress(text)
	if err != nil {
		return all, err
	}
	a.clear()
	l := a.listener()
	if secure {
		l.TLS = p.certs.config()
	}
	addr, err := p.server.Listen(l)
	if err != nil {
		return all, a.cannotListen(text, err)
	}
	p.log.Info("listening", "addr", addr.String(), "network", addr.Network(), "tls", secure)
	return append(all, addr), nil
}

// greet says where the page is, and who may use it.
func (p *program) greet(out io.Writer) {
	for _, name := range p.cfg.unknown {
		p.log.Warn("this variable names no setting and is ignored", "name", name)
	}
	if !p.cfg.Dev {
		switch {
		case p.cfg.Open:
			p.log.Warn("open is set: whoever can reach the port can read and write every room that the section rooms does not name")
		case p.tokens == nil && !p.cfg.anonymous() && p.cfg.HookConnect == "":
			p.log.Warn("nobody can join a room: there are no keys of tokens, and neither open nor the section rooms lets anybody in without one")
		}
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

// stop ends the server politely, or at the deadline.
func (p *program) stop() {
	p.health.stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.ShutdownTimeout)
	defer cancel()
	if err := p.server.Shutdown(ctx, p.cfg.ShutdownSpread); err != nil {
		p.log.Warn("some clients did not leave in time and were cut", "timeout", p.cfg.ShutdownTimeout)
	}
	p.inner.close(ctx)
	p.hub.Stop()
	p.closeHooks()
	p.closeTokens()
	p.log.Info("ended")
}

func (p *program) closeTokens() {
	if p.tokens != nil {
		p.tokens.Close()
	}
}
