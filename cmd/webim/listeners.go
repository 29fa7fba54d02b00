package main

import (
	"fmt"
	"io"
	"net"
	"slices"

	"webim/cmd/webim/internal/listen"
	"webim/netpoll"
)

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
	l := netpoll.Listener{Handler: p.clients, HTTP: p.pages, ProxyProtocol: slices.Contains(p.cfg.ProxyProtocol, text)}
	switch {
	case secure && p.ACME != nil:
		l.TLS = p.ACME.Config()
	case secure:
		l.TLS = p.Certs.Config()
	}
	addrs, err := listen.Open(p.server, text, l, p.inherit(fileClients))
	if err != nil {
		return all, err
	}
	for _, addr := range addrs {
		p.log.Info("listening", "addr", addr.String(), "network", addr.Network(), "tls", secure)
	}
	return append(all, addrs...), nil
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

// openInternal opens the listener.
func (p *program) openInternal() error {
	addrs, err := listen.Open(p.inner.server, p.cfg.Internal, netpoll.Listener{}, p.inherit(fileInternal))
	if err != nil {
		return err
	}
	p.inner.addr = addrs[0]
	for _, addr := range addrs {
		p.log.Info("listening", "addr", addr.String(), "network", addr.Network(), "internal", true)
	}
	return nil
}
