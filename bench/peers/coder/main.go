// Command coder is the chat room on coder/websocket: the chat example of its repository, with WebSocket publishing.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/coder/websocket"

	"webim/bench/peers/kit"
)

// backlog is how many messages may wait for a client; the example has 16 and a publisher that waits for a rate limiter.
const backlog = 256

// message is shared by all who get it.
type message struct {
	op   websocket.MessageType
	data []byte
}

// subscriber is one connection: the request's goroutine reads, another writes.
type subscriber struct {
	conn *websocket.Conn
	msgs chan message
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
	s := &subscriber{conn: conn, msgs: make(chan message, backlog)}
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
		select {
		case s.msgs <- m:
		default:
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
		case m := <-s.msgs:
			if err := s.send(ctx, m); err != nil {
				_ = s.conn.CloseNow() // ends the reader too
				return
			}
		}
	}
}

func (s *subscriber) send(ctx context.Context, m message) error {
	ctx, stop := context.WithTimeout(ctx, kit.Patience)
	defer stop()
	return s.conn.Write(ctx, m.op, m.data)
}
