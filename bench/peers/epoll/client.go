package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/mailru/easygo/netpoll"

	"webim/bench/peers/kit"
)

// reading is the set of events that a client waits for: one event, then none until it is armed again.
const reading = netpoll.EPOLLIN | netpoll.EPOLLRDHUP | netpoll.EPOLLONESHOT

// buffers are used only while a client is read from.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

// client is one connection. Only one worker at a time reads its socket, because its events are one-shot. Only the worker that set writing
// writes to it.
type client struct {
	server *server
	conn   *net.TCPConn
	fd     int

	room *kit.Room[*client] // the upgrade's path names it; set before the client is shared

	mu      sync.Mutex
	closed  bool
	out     net.Buffers // queued frames
	queued  int         // bytes, including those being written
	writing bool
}

// join upgrades a connection and registers it with epoll.
func (s *server) join(conn *net.TCPConn) {
	_ = conn.SetDeadline(time.Now().Add(kit.Patience)) // if it fails, the upgrade fails too
	path := ""
	upgrader := ws.Upgrader{OnRequest: func(uri []byte) error {
		path = string(uri)
		return nil
	}}
	if _, err := upgrader.Upgrade(conn); err != nil {
		conn.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{})
	c := &client{server: s, conn: conn}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { c.fd = int(fd) })
	}
	if err != nil {
		conn.Close()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room = s.rooms.Join(path, c)
	if err := s.poll.Add(c.fd, reading, func(netpoll.EpollEvent) { s.readers.schedule(c.receive) }); err != nil {
		c.closeLocked()
	}
}

// receive reads the available input and arms the client again. A hang-up appears as a read error.
func (c *client) receive() {
	err := c.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if err != nil || c.server.poll.Mod(c.fd, reading) != nil {
		c.closeLocked()
	}
}

func (c *client) read() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(kit.Patience)) // limits the wait for the rest of a frame
	br := buffers.Get().(*bufio.Reader)
	br.Reset(c.conn)
	defer func() {
		br.Reset(nil)
		buffers.Put(br)
	}()
	for {
		payload, op, err := c.message(br)
		if err != nil {
			return err
		}
		if payload != nil {
			c.broadcast(ws.MustCompileFrame(ws.NewFrame(op, true, payload)))
		}
		if br.Buffered() == 0 {
			return nil
		}
	}
}

// message reads one message; or it answers one control frame and returns nil. wsutil.ReadClientData would keep the worker waiting for a
// message after the control frame.
func (c *client) message(br *bufio.Reader) ([]byte, ws.OpCode, error) {
	control := wsutil.ControlFrameHandler(c.conn, ws.StateServerSide)
	r := wsutil.Reader{Source: br, State: ws.StateServerSide, CheckUTF8: true, OnIntermediate: control, MaxFrameSize: kit.MaxMessage}
	h, err := r.NextFrame()
	if err != nil {
		return nil, 0, err
	}
	if h.OpCode.IsControl() {
		return nil, 0, control(h, &r)
	}
	payload := make([]byte, 0, h.Length)
	if h.Fin {
		payload = payload[:h.Length]
		_, err = io.ReadFull(&r, payload)
		if err == nil && h.Length == 0 {
			err = r.Discard()
		}
		return payload, h.OpCode, err
	}
	payload, err = io.ReadAll(io.LimitReader(&r, kit.MaxMessage+1))
	if err == nil && len(payload) > kit.MaxMessage {
		err = errors.New("message too long")
	}
	return payload, h.OpCode, err
}

// send queues a frame, and schedules a writer if there is none.
func (c *client) send(frame []byte) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	if c.queued += len(frame); c.queued > kit.MaxQueue {
		c.closeLocked()
		c.mu.Unlock()
		return
	}
	c.out = append(c.out, frame)
	start := !c.writing
	c.writing = true
	c.mu.Unlock()
	if start {
		c.server.writers.schedule(c.drain)
	}
}

// drain writes until the queue is empty, with one system call for all queued frames.
func (c *client) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && len(c.out) > 0 {
		out := c.out
		c.out = nil
		c.mu.Unlock()
		_ = c.conn.SetWriteDeadline(time.Now().Add(kit.Patience)) // if it fails, the write fails too
		n, err := out.WriteTo(c.conn)
		c.mu.Lock()
		c.queued -= int(n)
		if err != nil && !c.closed {
			c.closeLocked()
		}
	}
	c.writing = false
}

// closeLocked disconnects a client. It calls Del before Close, because after Close another connection may get the same descriptor number.
func (c *client) closeLocked() {
	c.closed, c.out = true, nil
	_ = c.server.poll.Del(c.fd) // the descriptor may not have been added yet
	c.conn.Close()
	c.room.Leave(c)
}
