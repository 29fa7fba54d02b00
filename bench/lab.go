package bench

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// This file is what the sub-packages of bench build on: a raw connection, the server's process as seen from outside, and a clock. None of it is
// used by the scenarios of this package, which drive a [Fleet].

// Frame bits and opcodes of RFC 6455, section 5.2, for [AppendFrame].
const (
	FIN          = 0x80
	RSV1         = rsv1 // the message is compressed (RFC 7692)
	Continuation = opContinuation
	Text         = opText
	Binary       = opBinary
	CloseFrame   = opClose
	Ping         = opPing
	Pong         = opPong
)

// Now returns CLOCK_MONOTONIC in nanoseconds.
func Now() int64 { return now() }

// AppendFrame appends a masked frame whose first byte is bits: FIN, RSV1 and an opcode in any combination, right or wrong.
func AppendFrame(b []byte, bits byte, payload []byte) []byte {
	at := len(b)
	b = appendFrame(b, opText, payload, &[4]byte{0x1b, 0x2c, 0x3d, 0x4e})
	b[at] = bits
	return b
}

// AppendHeader appends the header of a masked frame with any first byte and any length, whose payload may never follow.
func AppendHeader(b []byte, bits byte, length uint64) []byte {
	b = binary.BigEndian.AppendUint64(append(b, bits, 0x80|127), length)
	return append(b, 0, 0, 0, 0)
}

// Deflated appends b, compressed for a message with RSV1.
func Deflated(dst, b []byte) []byte { return appendDeflated(dst, b) }

// Target is where raw connections go to.
type Target struct {
	cfg Config
	t   target
}

// NewTarget reads Config.URL and checks the dialect.
func NewTarget(cfg Config) (Target, error) {
	t, err := parseTarget(cfg.URL)
	if err == nil {
		err = cfg.checkDialect(t)
	}
	return Target{cfg, t}, err
}

// Loopback reports whether the target is this machine.
func (t Target) Loopback() bool { return t.t.addr.Addr().IsLoopback() }

// Address is the target's host and port, as resolved.
func (t Target) Address() string { return t.t.addr.String() }

// Host is what a Host header says.
func (t Target) Host() string { return t.t.url.Host }

// Centrifuge reports whether the dialect is [Centrifuge].
func (t Target) Centrifuge() bool { return t.cfg.centrifuge() }

// Dial opens a connection, over TLS if the URL is wss, from loopback address number source (0: 127.0.0.2) when the target is on
// IPv4 loopback. It sends nothing over it.
func (t Target) Dial(ctx context.Context, source int) (*Raw, error) {
	d := net.Dialer{Timeout: t.cfg.timeout()}
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
	r := &Raw{Conn: plain, tcp: plain.(*net.TCPConn), dec: Decoder{keep: true}}
	if t.t.tls {
		r.Conn = tls.Client(plain, &tls.Config{InsecureSkipVerify: true, ServerName: t.t.url.Hostname(), NextProtos: []string{"http/1.1"}})
	}
	return r, nil
}

// Request is the upgrade request for a room: a path in the plain dialect. compress offers permessage-deflate.
func (t Target) Request(room string, compress bool) []byte {
	cfg := t.cfg
	cfg.Compress = compress
	return newHandshake(t.Host(), cfg).request(cfg.endpoint(t.t, cfg.withToken(room)))
}

// Upgrade sends an upgrade request and reads the answer. compressed reports whether permessage-deflate was agreed on.
func (t Target) Upgrade(r *Raw, room string, compress bool) (compressed bool, err error) {
	cfg := t.cfg
	cfg.Compress = compress
	h := newHandshake(t.Host(), cfg)
	_ = r.SetDeadline(time.Now().Add(cfg.timeout()))
	defer r.SetDeadline(time.Time{})
	if _, err := r.Write(h.request(cfg.endpoint(t.t, cfg.withToken(room)))); err != nil {
		return false, err
	}
	answer := make([]byte, 0, 1024)
	for {
		n, err := h.check(answer)
		if err != nil {
			return false, err
		}
		if n > 0 {
			terms, err := h.agreed(answer[:n])
			r.rest = append(r.rest, answer[n:]...)
			return terms.packed, err
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

// Connect is the connect command of the Centrifuge dialect, with Config.Token, as one line of JSON without its end.
func (t Target) Connect(id int) []byte { return connectCommand(id, t.cfg.Token) }

// Raw is a connection over which its owner writes whatever it wants. One goroutine may read while another one writes.
type Raw struct {
	net.Conn
	tcp  *net.TCPConn
	rest []byte // what came behind the answer to the upgrade
	dec  Decoder
}

// Read gives what came behind the answer to the upgrade first.
func (r *Raw) Read(b []byte) (int, error) {
	if len(r.rest) > 0 {
		n := copy(b, r.rest)
		r.rest = r.rest[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// Events reads once and calls f for each message and control frame that is complete. The payload is valid during the call. It returns the bytes read.
func (r *Raw) Events(buf []byte, f func(Event)) (int, error) {
	n, err := r.Read(buf)
	for b := buf[:n]; len(b) > 0; {
		ev, used, ok, err := r.dec.Next(b)
		if err != nil {
			return n, err
		}
		if b = b[used:]; ok {
			f(ev)
		}
		r.dec.forget()
	}
	return n, err
}

// Reset closes with RST.
func (r *Raw) Reset() {
	_ = r.tcp.SetLinger(0)
	_ = r.tcp.Close()
}

// ReceiveBuffer sets SO_RCVBUF.
func (r *Raw) ReceiveBuffer(bytes int) { _ = r.tcp.SetReadBuffer(bytes) }

// Process is a server's process with all below it, as seen from outside. The zero value is one that is not known: its figures are zero.
type Process struct{ p process }

// FindProcess looks up pid and its descendants; 0 gives a Process that is not known.
func FindProcess(pid int) (Process, error) {
	p, err := processTree(pid)
	return Process{p}, err
}

// Known reports whether there is a process to measure.
func (p Process) Known() bool { return p.p.known() }

// Alive reports whether the root still runs; one that is not known does. A process that has ended and that nobody has waited for is not alive.
func (p Process) Alive() bool {
	if !p.Known() {
		return true
	}
	b := firstOf(fmt.Sprintf("/proc/%d/stat", p.p.pids[0]))
	_, state, ok := strings.Cut(b[max(0, strings.LastIndexByte(b, ')')):], ") ")
	return ok && state[0] != 'Z' && state[0] != 'X'
}

// CPU is the CPU time so far.
func (p Process) CPU() time.Duration { return time.Duration(p.p.cpu()) }

// RSS is the resident memory in bytes.
func (p Process) RSS() int64 { return p.p.rss() }

// FDs is how many files are open.
func (p Process) FDs() int { return p.p.fds() }

// OwnCPU is the CPU time of this process so far.
func OwnCPU() time.Duration { return time.Duration(ownCPU()) }

// NewConditions returns the machine's conditions for the report of a sub-package.
func NewConditions(cfg Config, options any) Conditions {
	c := conditions()
	c.Commit, c.URL, c.ServerPID, c.Options, c.Command, c.Dialect = cfg.commit(), cfg.shownURL(), cfg.PID, options, cfg.Command, cfg.Dialect
	if p, err := processTree(cfg.PID); err == nil && p.known() {
		c.Server, c.ServerVersion = p.commandLine(), p.version()
	}
	return c
}

// LimitMemory bounds the data segment of a process and of those that it starts from then on (RLIMIT_DATA: heap and private writable mappings). The kernel
// refuses it more; most runtimes end then.
func LimitMemory(pid int, bytes uint64) error {
	l := unix.Rlimit{Cur: bytes, Max: bytes}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &l, nil); err != nil {
		return fmt.Errorf("limiting the memory of process %d to %d bytes: %w", pid, bytes, err)
	}
	return nil
}

// Exited reports whether the server has ended, and the last that it wrote.
func (s *Server) Exited() (said string, ended bool) {
	select {
	case <-s.exited:
		return s.out.String(), true
	default:
		return "", false
	}
}

// BadOption is an [OptionError] of a sub-package.
func BadOption(format string, args ...any) error { return badOption(format, args...) }
