// Command gnet is the chat room on panjf2000/gnet, with gobwas/ws for the upgrade and the frames.
//
// Each event loop owns its connections. A message is compiled once and handed to each loop once, which then writes to its own
// connections without a lock: cheaper than AsyncWrite, which queues a task for each receiver.
package main

import (
	"context"
	"log"
	"net"
	"strconv"
	"sync"
	"syscall"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"

	"webim/bench/peers/kit"
)

// server is gnet's event handler.
type server struct {
	gnet.BuiltinEventEngine

	mu    sync.RWMutex
	loops map[gnet.EventLoop]*loop
}

// loop is one event loop's share of the room. It is that loop's alone: no lock.
type loop struct {
	gnet.EventLoop
	clients []*client
}

func main() {
	s := &server{loops: map[gnet.EventLoop]*loop{}}
	log.Fatal(gnet.Run(s, "tcp4://"+kit.Address(), gnet.WithMulticore(true), gnet.WithLogger(zap.NewNop().Sugar())))
}

// OnBoot says where it listens; gnet does not tell which port it got.
func (s *server) OnBoot(e gnet.Engine) gnet.Action {
	fd, err := e.Dup()
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(fd)
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		log.Fatal(err)
	}
	in := sa.(*syscall.SockaddrInet4)
	a, err := net.ResolveTCPAddr("tcp4", net.JoinHostPort(net.IP(in.Addr[:]).String(), strconv.Itoa(in.Port)))
	if err != nil {
		log.Fatal(err)
	}
	kit.Announce(a)
	return gnet.None
}

func (s *server) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	c.SetContext(&client{conn: c, loop: s.loop(c.EventLoop())})
	return nil, gnet.None
}

// loop returns the share that belongs to an event loop, which is made when its first connection comes.
func (s *server) loop(e gnet.EventLoop) *loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loops[e] == nil {
		s.loops[e] = &loop{EventLoop: e}
	}
	return s.loops[e]
}

func (s *server) OnClose(c gnet.Conn, _ error) gnet.Action {
	if cl, ok := c.Context().(*client); ok && cl.upgraded {
		cl.loop.remove(cl)
	}
	return gnet.None
}

func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	cl := c.Context().(*client)
	if !cl.upgraded {
		if done, err := cl.upgrade(); err != nil || !done {
			return closeOn(err)
		}
		cl.loop.add(cl)
	}
	return closeOn(cl.read(func(frame []byte) { s.broadcast(cl.loop, frame) }))
}

func closeOn(err error) gnet.Action {
	if err != nil {
		return gnet.Close
	}
	return gnet.None
}

// broadcast writes a frame to everybody; own is the loop that it runs on.
func (s *server) broadcast(own *loop, frame []byte) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, l := range s.loops {
		if l != own {
			_ = l.Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error { // fails at shutdown only
				l.write(frame)
				return nil
			}))
		}
	}
	own.write(frame)
}

func (l *loop) add(c *client) {
	c.at = len(l.clients)
	l.clients = append(l.clients, c)
}

func (l *loop) remove(c *client) {
	last := len(l.clients) - 1
	l.clients[c.at] = l.clients[last]
	l.clients[c.at].at = c.at
	l.clients[last] = nil
	l.clients = l.clients[:last]
}

// write goes backwards: a failed write removes its client on the spot, and what moves to its place has had the frame.
func (l *loop) write(frame []byte) {
	for i := len(l.clients) - 1; i >= 0; i-- {
		c := l.clients[i]
		if c.conn.OutboundBuffered() > kit.MaxQueue {
			_ = l.Close(c.conn) // too slow
			continue
		}
		_, _ = c.conn.Write(frame) // gnet closes it
	}
}
