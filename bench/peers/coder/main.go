// Command coder is the chat room on coder/websocket: the chat example of its repository, with WebSocket publishing.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/coder/websocket"

	"webim/bench/peers/kit"
)

// message is shared by all who get it.
type message struct {
	op   websocket.MessageType
	data []byte
}

// subscriber is one connection: the request's goroutine reads, another writes. Where the example has a channel of 16 messages, and a publisher that
// waits for a rate limiter, it has a queue of bytes.
type subscriber struct {
	conn *websocket.Conn
	msgs *kit.Queue[message]
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
	s := &subscriber{conn: conn, msgs: kit.NewQueue[message]()}
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
		if !s.msgs.Put(m, len(m.data)) {
			r.members.Remove(s)
			go s.conn.CloseNow()
		}
	}
}

func (s *subscriber) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.msgs.Ready():
			if err := s.drain(ctx); err != nil {
				_ = s.conn.CloseNow() // ends the reader too
				return
			}
		}
	}
}

// drain sends what waits.
func (s *subscriber) drain(ctx context.Context) error {
	for {
		m, ok := s.msgs.Next()
		if !ok {
			return nil
		}
		if err := s.send(ctx, m); err != nil {
			return err
		}
	}
}

func (s *subscriber) send(ctx context.Context, m message) error {
	ctx, stop := context.WithTimeout(ctx, kit.Patience)
	defer stop()
	return s.conn.Write(ctx, m.op, m.data)
}
