// Command gnet serves the chat rooms with panjf2000/gnet, and with gobwas/ws for the upgrade and the frames.
//
// Each event loop owns its connections. A message is compiled once, and handed once to each loop that has clients of the room. The loop
// then writes to its own connections without a lock. This is cheaper than AsyncWrite, which queues a task for each receiver.
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
	rooms map[string]map[gnet.EventLoop]*share // by path
}

// share has the clients of a room on one event loop. Only that loop uses the clients, so they need no lock.
type share struct {
	path    string
	loop    gnet.EventLoop
	clients []*client
}

func main() {
	s := &server{rooms: map[string]map[gnet.EventLoop]*share{}}
	log.Fatal(gnet.Run(s, "tcp4://"+kit.Address(), gnet.WithMulticore(true), gnet.WithLogger(zap.NewNop().Sugar())))
}

// OnBoot announces the listening address. gnet does not return the port, so OnBoot asks the kernel.
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
	c.SetContext(&client{conn: c})
	return nil, gnet.None
}

func (s *server) OnClose(c gnet.Conn, _ error) gnet.Action {
	if cl, ok := c.Context().(*client); ok && cl.share != nil {
		s.leave(cl)
	}
	return gnet.None
}

func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	cl := c.Context().(*client)
	if cl.share == nil {
		path, err := cl.upgrade()
		if err != nil || path == "" {
			return closeOn(err)
		}
		s.join(cl, path)
	}
	return closeOn(cl.read(func(frame []byte) { s.broadcast(cl.share, frame) }))
}

func closeOn(err error) gnet.Action {
	if err != nil {
		return gnet.Close
	}
	return gnet.None
}

// join adds a client to the share of its loop. It runs on that loop.
func (s *server) join(c *client, path string) {
	loop := c.conn.EventLoop()
	s.mu.Lock()
	if s.rooms[path] == nil {
		s.rooms[path] = map[gnet.EventLoop]*share{}
	}
	if s.rooms[path][loop] == nil {
		s.rooms[path][loop] = &share{path: path, loop: loop}
	}
	c.share = s.rooms[path][loop]
	s.mu.Unlock()
	c.share.add(c)
}

// leave removes a client, on its loop. It also removes an empty share and an empty room.
func (s *server) leave(c *client) {
	if c.share.remove(c); len(c.share.clients) > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rooms[c.share.path], c.share.loop)
	if len(s.rooms[c.share.path]) == 0 {
		delete(s.rooms, c.share.path)
	}
}

// broadcast writes a frame to everybody in the room. own is the share of the loop on which broadcast runs.
func (s *server) broadcast(own *share, frame []byte) {
	s.mu.RLock()
	for _, other := range s.rooms[own.path] {
		if other != own {
			_ = other.loop.Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error { // fails only at shutdown
				other.write(frame)
				return nil
			}))
		}
	}
	s.mu.RUnlock()
	own.write(frame)
}

func (s *share) add(c *client) {
	c.at = len(s.clients)
	s.clients = append(s.clients, c)
}

func (s *share) remove(c *client) {
	last := len(s.clients) - 1
	s.clients[c.at] = s.clients[last]
	s.clients[c.at].at = c.at
	s.clients[last] = nil
	s.clients = s.clients[:last]
}

// write iterates backwards, because a failed write removes its client at once and moves the last client, which already has the frame, to
// its index.
func (s *share) write(frame []byte) {
	for i := len(s.clients) - 1; i >= 0; i-- {
		c := s.clients[i]
		if c.conn.OutboundBuffered() > kit.MaxQueue {
			_ = s.loop.Close(c.conn) // too slow
			continue
		}
		_, _ = c.conn.Write(frame) // gnet closes the connection on an error
	}
}
