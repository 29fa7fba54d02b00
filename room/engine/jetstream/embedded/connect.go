package embedded

import (
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"
)

// InProcessConn opens a connection without a socket: see nats.InProcessConnProvider. It fails while there is no
// nats-server.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	n := s.nats
	s.mu.Unlock()
	if n == nil {
		return nil, ErrStopped
	}
	return n.InProcessConn()
}

// Connect opens a NATS connection to the server, with the given options after its own. The connection
// is opened again after each restart of the nats-server, for ever, until the caller closes it. While it is
// lost, publishing fails at once: nothing waits in a buffer. To keep nats.go from repeating a publish,
// the caller also passes nats.RetryAttempts(0) with it: that is an option of each publish.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	return connectTo(s, opts)
}

// connectTo is Connect for a server that may be in another process.
func connectTo(s nats.InProcessConnProvider, opts []nats.Option) (*nats.Conn, error) {
	own := []nats.Option{
		nats.InProcessServer(s),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
	}
	c, err := nats.Connect("", append(own, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("embedded: connecting: %w", err)
	}
	return c, nil
}

// reconnectWait is the time between two attempts of a client to connect.
const reconnectWait = 20 * time.Millisecond

// Addr returns the address that Config.Listen opened, or nil. After a restart with port 0 it is another one.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nats == nil {
		return nil
	}
	return s.nats.Addr()
}
