package embedded

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/ratelog"
)

// The socket in the folder lets another program of the same user work on the store while this process uses
// it: its connections lead to the nats-server. Whoever may open the folder may read and write the files of the
// store, too, so the rights of the folder protect both.

// socketName is the name of the socket. maxGuests is the number of its connections at a time.
const (
	socketName = "webim.sock"
	maxGuests  = 16
)

// socket accepts connections for the nats-server.
type socket struct {
	log    *ratelog.Logger
	ln     net.Listener
	guests chan struct{} // has an element for each connection
	done   sync.WaitGroup

	mu     sync.Mutex // innermost
	open   map[net.Conn]struct{}
	closed bool
}

// shortPath calls f with a path of a file in a folder that fits into the address of a socket, which has 108
// bytes.
func shortPath(dir, name string, f func(path string) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return f("/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/" + name)
}

// openSocket makes the socket in a folder that is locked. connect opens a connection to the nats-server.
func openSocket(dir string, log *ratelog.Logger, connect func() (net.Conn, error)) (s *socket, err error) {
	s = &socket{log: log, guests: make(chan struct{}, maxGuests), open: map[net.Conn]struct{}{}}
	err = shortPath(dir, socketName, func(path string) error {
		_ = os.Remove(path) // that of a process that was killed
		ln, err := net.Listen("unix", path)
		if err != nil {
			return err
		}
		ln.(*net.UnixListener).SetUnlinkOnClose(false) // by then the path means nothing
		s.ln = ln
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		if s.ln != nil {
			s.ln.Close()
		}
		return nil, fmt.Errorf("embedded: making the socket in the folder of the store: %w", err)
	}
	s.done.Go(func() { s.serve(connect) })
	return s, nil
}

// acceptPause is the time between two tries while no connection can be accepted: the process has no free descriptor. Nothing
// else depends on the socket, so the tries go on until close.
const acceptPause = 100 * time.Millisecond

// serve accepts connections until close.
func (s *socket) serve(connect func() (net.Conn, error)) {
	for {
		s.guests <- struct{}{}
		from, err := s.ln.Accept()
		for err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Warn("commands such as webim backup cannot reach the store at the moment", "err", err)
			time.Sleep(acceptPause)
			from, err = s.ln.Accept()
		}
		if err != nil {
			return
		}
		s.done.Go(func() {
			defer func() { <-s.guests }()
			defer from.Close()
			to, err := connect()
			if err != nil {
				return // the nats-server is being started again
			}
			defer to.Close()
			if !s.add(from, to) {
				return
			}
			defer s.remove(from, to)
			s.relay(from, to)
		})
	}
}

// relay copies in both directions until one of them ends.
func (s *socket) relay(from, to net.Conn) {
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(from, to)
		from.Close()
	})
	_, _ = io.Copy(to, from)
	to.Close()
	back.Wait()
}

// add notes connections for close. It reports false after close.
func (s *socket) add(all ...net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range all {
		s.open[c] = struct{}{}
	}
	return !s.closed
}

func (s *socket) remove(all ...net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range all {
		delete(s.open, c)
	}
}

// close ends the socket and its connections.
func (s *socket) close(dir string) {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.ln.Close()
	s.done.Wait()
	_ = os.Remove(filepath.Join(dir, socketName))
}

// ErrNotRunning: no process uses the folder of a store, or it is one that does not answer at the socket.
var ErrNotRunning = errors.New("embedded: no process answers at the socket in the folder of the store")

// Attach returns a function like Server.Connect that connects to the nats-server of another process, which
// uses the folder. The error wraps ErrNotRunning if there is none.
func Attach(dir string) (connect func(opts ...nats.Option) (*nats.Conn, error), err error) {
	p := provider(dir)
	first, err := p.InProcessConn()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	first.Close()
	return func(opts ...nats.Option) (*nats.Conn, error) { return connectTo(p, opts) }, nil
}

// provider is the folder of a store that another process uses. It implements nats.InProcessConnProvider.
type provider string

func (dir provider) InProcessConn() (c net.Conn, err error) {
	err = shortPath(string(dir), socketName, func(path string) error {
		c, err = net.Dial("unix", path)
		return err
	})
	return c, err
}

// Sync writes all of a folder's file system to the disk. A program that is attached calls it instead of
// Server.Commit.
func Sync(dir string) error { return syncStore(dir) }
