package relay

import (
	"errors"
	"io"
	"net"
	"sync"
)

// Direction is a direction of bytes.
type Direction uint8

// The directions.
const (
	Up   Direction = iota // from the client to the target
	Down                  // from the target to the client
)

// Relay is a proxy in front of one target. All methods are safe for concurrent use.
type Relay struct {
	listener net.Listener
	nats     bool // the target is a NATS server, and the clients are no servers
	done     sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // stalled, closed or conns
	target  string
	conns   map[*pair]bool
	stalled [2]bool
	cut     bool
	closed  bool
	drop    func(subject string) bool // see Drop
	dropped int
}

// pair is a connection of a client with its connection to the target.
type pair struct {
	client, target *net.TCPConn
	dead           bool // guarded by Relay.mu
}

// New starts a relay on a free port of 127.0.0.1. It has no target yet, so it refuses connections. Only if nats is true, which
// says that clients of NATS connect through it to a server, Drop has an effect.
func New(nats bool) (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{listener: l, nats: nats, conns: map[*pair]bool{}}
	r.changed = sync.NewCond(&r.mu)
	r.done.Go(r.accept)
	return r, nil
}

// Addr returns the address on which clients connect.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// SetTarget sets the address for new connections; "" refuses them.
func (r *Relay) SetTarget(addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = addr
}

// Stall stops the bytes of a direction, or lets them go on.
func (r *Relay) Stall(d Direction, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stalled[d] = on
	r.changed.Broadcast()
}

// Cut resets all connections and refuses new ones, or with false accepts them again.
func (r *Relay) Cut(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut = on; on {
		r.resetLocked()
	}
}

// Reset resets all connections. New ones are accepted.
func (r *Relay) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resetLocked()
}

// Drop leaves out the messages from the target with a subject that f chooses; nil drops nothing. f is called under the relay's
// lock, so it must not call the relay.
func (r *Relay) Drop(f func(subject string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop = f
}

// Dropped returns how many messages were left out so far.
func (r *Relay) Dropped() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// Close ends the relay and all connections.
func (r *Relay) Close() {
	r.mu.Lock()
	r.closed = true
	_ = r.listener.Close()
	r.resetLocked()
	r.mu.Unlock()
	r.done.Wait()
}

func (r *Relay) resetLocked() {
	for p := range r.conns {
		r.killLocked(p)
	}
	r.changed.Broadcast()
}

// killLocked resets both connections of a pair.
func (r *Relay) killLocked(p *pair) {
	p.dead = true
	for _, c := range []*net.TCPConn{p.client, p.target} {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	delete(r.conns, p)
}

func (r *Relay) accept() {
	for {
		c, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			r.done.Go(func() { r.connect(c.(*net.TCPConn)) })
		}
	}
}

// connect serves a connection of a client until it ends.
func (r *Relay) connect(client *net.TCPConn) {
	r.mu.Lock()
	target, refuse := r.target, r.cut || r.closed || r.target == ""
	r.mu.Unlock()
	if !refuse {
		conn, err := net.Dial("tcp", target)
		if refuse = err != nil; err == nil {
			r.serve(&pair{client: client, target: conn.(*net.TCPConn)})
		}
	}
	if refuse {
		_ = client.SetLinger(0)
		_ = client.Close()
	}
}

// serve copies both directions until one of them ends.
func (r *Relay) serve(p *pair) {
	r.mu.Lock()
	if r.cut || r.closed {
		r.killLocked(p)
		r.mu.Unlock()
		return
	}
	r.conns[p] = true
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.copy(p, Up, p.target, p.client) })
	both.Go(func() { r.copy(p, Down, p.client, p.target) })
	both.Wait()
}

// copy copies one direction. A connection that ends ends its pair: the NATS protocol has no half-closed connections.
func (r *Relay) copy(p *pair, d Direction, to io.Writer, from io.Reader) {
	pass := &gate{r: r, p: p, d: d, to: to}
	if d == Down && r.nats {
		_ = r.copyMessages(pass, from)
	} else {
		_, _ = io.Copy(pass, from)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !p.dead {
		r.killLocked(p)
	}
	r.changed.Broadcast()
}

// gate writes to one side of a pair, and waits while the direction is stalled.
type gate struct {
	r  *Relay
	p  *pair
	d  Direction
	to io.Writer
}

func (g *gate) Write(b []byte) (int, error) {
	g.r.mu.Lock()
	for g.r.stalled[g.d] && !g.p.dead {
		g.r.changed.Wait()
	}
	dead := g.p.dead
	g.r.mu.Unlock()
	if dead {
		return 0, net.ErrClosed
	}
	return g.to.Write(b)
}
