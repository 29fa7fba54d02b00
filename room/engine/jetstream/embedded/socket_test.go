package embedded

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/ratelog"
	"webim/netpoll/wstest"
)

// TestAttach reaches the server of a folder by its socket, as another process does, also if the path of the folder
// is longer than the address of a socket may be. Connections by it end with the server, and open again with the
// next one.
func TestAttach(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 50))
	if _, err := Attach(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no folder: %v", err)
	}
	s, err := Start(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var used *InUseError
	if _, err := Start(Config{Dir: dir}); !errors.As(err, &used) {
		t.Errorf("a second server: %v", err)
	}
	if is, err := os.Stat(filepath.Join(dir, socketName)); err != nil || is.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", is, err)
	}
	connect, err := Attach(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := make(chan struct{}, 100)
	a, err := connect(nats.ReconnectHandler(func(*nats.Conn) { again <- struct{}{} }))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	sub, err := b.SubscribeSync("x")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Flush(), a.Publish("x", []byte(strings.Repeat("x", 1<<20))), a.Flush()); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(wstest.Patience); err != nil || len(m.Data) != 1<<20 {
		t.Errorf("what arrives: %v", err)
	}
	b.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Attach(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after Close: %v", err)
	}
	if s, err = Start(Config{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	select {
	case <-again:
	case <-time.After(wstest.Patience):
		t.Error("the connection is not opened again")
	}
}

// TestSocketOfAKilledProcess starts a server on a folder in which a killed one has left its socket.
func TestSocketOfAKilledProcess(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, socketName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Start(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Attach(dir); err != nil {
		t.Error(err)
	}
}

// fullListener is a listener whose first calls of Accept find no free descriptor.
type fullListener struct {
	net.Listener
	fails int
}

func (l *fullListener) Accept() (net.Conn, error) {
	if l.fails--; l.fails >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// TestNoDescriptor checks that the socket serves again after the process had no free descriptor.
func TestNoDescriptor(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, other := net.Pipe()
	defer other.Close()
	s := &socket{ln: &fullListener{ln, 2}, guests: make(chan struct{}, 1), open: map[net.Conn]struct{}{}}
	s.done.Go(func() { s.serve(func() (net.Conn, error) { return server, nil }) })
	defer s.close(t.TempDir())
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(wstest.Patience))
	go func() { _, _ = io.WriteString(other, "x") }()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Errorf("a client after the failures: %v", err)
	}
}

// failing is a listener that fails some times, and then accepts a connection. After that, it is closed.
type failing struct {
	net.Listener
	errs  int
	conns []net.Conn
}

func (l *failing) Accept() (net.Conn, error) {
	switch {
	case l.errs > 0:
		l.errs--
		return nil, syscall.EMFILE
	case len(l.conns) > 0:
		c := l.conns[0]
		l.conns = l.conns[1:]
		return c, nil
	}
	return nil, net.ErrClosed
}

// TestAcceptGoesOn checks that the socket goes on after errors, and logs them.
func TestAcceptGoesOn(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	var log bytes.Buffer
	s := &socket{log: ratelog.New(slog.New(slog.NewTextHandler(&log, nil))), ln: &failing{errs: 2, conns: []net.Conn{ours}}, guests: make(chan struct{}, maxGuests), open: map[net.Conn]struct{}{}}
	connected := 0
	s.serve(func() (net.Conn, error) { connected++; return nil, io.EOF })
	s.done.Wait()
	if connected != 1 || !strings.Contains(log.String(), "cannot reach the store") || !strings.Contains(log.String(), syscall.EMFILE.Error()) {
		t.Errorf("%d connections, the log is %q", connected, &log)
	}
}
