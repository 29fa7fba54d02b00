// Command coder is the chat room on coder/websocket: the chat example of its repository, with WebSocket publishing.
package main

import (
	"context"
	"log"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"webim/bench/peers/kit"
)

// message is shared by all who get it.
type message struct {
	op   websocket.MessageType
	data []byte
}

// subscriber is one connection: the request's goroutine reads, another writes. Where the example has a channel of 16 messages and a publisher that
// waits for a rate limiter, here bytes are counted: a burst of small messages is no reason to cut anybody, and an idle client holds no channel of messages.
type subscriber struct {
	conn *websocket.Conn
	wake chan struct{} // something waits

	mu      sync.Mutex
	waiting []message
	bytes   int // of them
}

// room is everybody.
type room struct {
	members kit.Members[*subscriber]
}

func main() { log.Fatal(http.Serve(kit.Listen(), &room{})) }

func (r *room) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	conn, err := websocket.Accept(w, req, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(kit.MaxMessage)
	s := &subscriber{conn: conn, wake: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	r.members.Add(s)
	defer r.members.Remove(s)
	go s.write(ctx)
	for {
		op, data, err := conn.Read(ctx)
		if err != nil {
			_ = conn.CloseNow() // it has ended already
			return
		}
		r.publish(message{op, data})
	}
}

// publish never waits: a subscriber that lags is closed, as in the example.
func (r *room) publish(m message) {
	for _, s := range r.members.Snapshot() {
		if !s.queue(m) {
			r.members.Remove(s)
			go s.conn.CloseNow()
		}
	}
}

// queue reports false when too much waits already.
func (s *subscriber) queue(m message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+len(m.data) > kit.MaxQueue {
		return false
	}
	s.waiting, s.bytes = append(s.waiting, m), s.bytes+len(m.data)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return true
}

func (s *subscriber) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			if err := s.drain(ctx); err != nil {
				_ = s.conn.CloseNow() // ends the reader too
				return
			}
		}
	}
}

// drain sends what waits.
func (s *subscriber) drain(ctx context.Context) error {
	s.mu.Lock()
	all := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, m := range all {
		if err := s.send(ctx, m); err != nil {
			return err
		}
		s.mu.Lock()
		s.bytes -= len(m.data)
		s.mu.Unlock()
	}
	return nil
}

func (s *subscriber) send(ctx context.Context, m message) error {
	ctx, stop := context.WithTimeout(ctx, kit.Patience)
	defer stop()
	return s.conn.Write(ctx, m.op, m.data)
}
