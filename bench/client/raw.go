package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"webim/bench/ws"
)

// Dialer and Raw are for the attack lab, which needs connections without rules. The scenarios use a [Fleet].

// Dialer opens raw connections to a server.
type Dialer struct {
	cfg Config
	t   Target
}

// NewDialer returns a Dialer for Config.URL, and checks the options of the dialect.
func NewDialer(cfg Config) (Dialer, error) {
	t, err := ParseTarget(cfg.URL)
	if err == nil {
		err = cfg.CheckDialect(t)
	}
	return Dialer{cfg, t}, err
}

// Loopback reports whether the server is on this machine.
func (t Dialer) Loopback() bool { return t.t.Addr.Addr().IsLoopback() }

// Address returns the resolved address and port of the server.
func (t Dialer) Address() string { return t.t.Addr.String() }

// Host returns the value of the Host header.
func (t Dialer) Host() string { return t.t.URL.Host }

// Centrifuge reports whether the dialect is [Centrifuge].
func (t Dialer) Centrifuge() bool { return t.cfg.Centrifuge() }

// Dial opens a connection and sends nothing. It uses TLS if the URL is wss. If the server is on IPv4 loopback, source is
// the number of the loopback address to dial from; 0 is 127.0.0.2.
func (t Dialer) Dial(ctx context.Context, source int) (*Raw, error) {
	d := net.Dialer{Timeout: t.cfg.ReplyTimeout()}
	if a, ok := t.t.source(0, source, source+1); ok {
		d.LocalAddr = &net.TCPAddr{IP: a[:]}
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) })
		}
	}
	plain, err := d.DialContext(ctx, "tcp", t.Address())
	if err != nil {
		return nil, err
	}
	r := &Raw{Conn: plain, tcp: plain.(*net.TCPConn), dec: ws.Decoder{Keep: true}}
	if t.t.TLS {
		r.Conn = tls.Client(plain, &tls.Config{InsecureSkipVerify: true, ServerName: t.t.URL.Hostname(), NextProtos: []string{"http/1.1"}})
	}
	return r, nil
}

// Request returns the upgrade request for a room, which is a path in the plain dialect. If compress is set, it offers
// permessage-deflate.
func (t Dialer) Request(room string, compress bool) []byte {
	cfg := t.cfg
	cfg.Compress = compress
	return NewHandshake(t.Host(), cfg).Request(cfg.Endpoint(t.t, cfg.withToken(room)))
}

// Upgrade sends an upgrade request and reads the answer. It reports whether permessage-deflate was agreed on.
func (t Dialer) Upgrade(r *Raw, room string, compress bool) (compressed bool, err error) {
	cfg := t.cfg
	cfg.Compress = compress
	h := NewHandshake(t.Host(), cfg)
	_ = r.SetDeadline(time.Now().Add(cfg.ReplyTimeout()))
	defer r.SetDeadline(time.Time{})
	if _, err := r.Write(h.Request(cfg.Endpoint(t.t, cfg.withToken(room)))); err != nil {
		return false, err
	}
	answer := make([]byte, 0, 1024)
	for {
		n, err := h.Check(answer)
		if err != nil {
			return false, err
		}
		if n > 0 {
			terms, err := h.agreed(answer[:n])
			r.rest = append(r.rest, answer[n:]...)
			return terms.Compressed, err
		}
		got, err := r.Conn.Read(answer[len(answer):cap(answer)])
		if err != nil {
			return false, fmt.Errorf("no answer to the upgrade: %w", err)
		}
		if answer = answer[:len(answer)+got]; len(answer) == cap(answer) {
			answer = append(make([]byte, 0, 2*cap(answer)), answer...)
		}
	}
}

// Connect returns the connect command of the Centrifuge dialect with Config.Token, as one line of JSON without a line end.
func (t Dialer) Connect(id int) []byte { return connectCommand(id, t.cfg.Token) }

// Raw is a connection on which its owner may write any bytes. One goroutine may read while another one writes.
type Raw struct {
	net.Conn
	tcp  *net.TCPConn
	rest []byte // bytes that followed the answer to the upgrade request
	dec  ws.Decoder
}

// Read first returns the bytes that followed the answer to the upgrade request.
func (r *Raw) Read(b []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(b, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// Events reads once and calls f for each complete message and control frame. The payload is valid during the call. It
// returns the number of bytes read.
func (r *Raw) Events(buf []byte, f func(ws.Event)) (int, error) {
	n, err := r.Read(buf)
	for b := buf[:n]; len(b) > 0; {
		ev, used, ok, err := r.dec.Next(b)
		if err != nil {
			return n, err
		}
		if b = b[used:]; ok {
			f(ev)
		}
		r.dec.Forget()
	}
	return n, err
}

// Reset closes the connection by RST.
func (r *Raw) Reset() {
	_ = r.tcp.SetLinger(0)
	_ = r.tcp.Close()
}

// ReceiveBuffer sets SO_RCVBUF.
func (r *Raw) ReceiveBuffer(bytes int) { _ = r.tcp.SetReadBuffer(bytes) }
