// Command coder serves the chat rooms with coder/websocket. It is the chat example of the library's repository, but clients publish over
// the WebSocket.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/coder/websocket"

	"webim/bench/peers/kit"
)

// message is shared by all its receivers.
type message struct {
	op   websocket.MessageType
	data []byte
}

// subscriber is one connection. The request's goroutine reads, and another goroutine writes. It has a queue of bytes, where the example has
// a channel of 16 messages and a publisher that waits for a rate limiter.
type subscriber struct {
	conn *websocket.Conn
	msgs *kit.Queue[message]
	room *kit.Room[*subscriber]
}

// server has all rooms.
type server struct {
	rooms kit.Rooms[*subscriber]
}

func main() { log.Fatal(http.Serve(kit.Listen(), &server{})) }

func (v *server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	conn, err := websocket.Accept(w, req, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has sent the error
	}
	conn.SetReadLimit(kit.MaxMessage)
	s := &subscriber{conn: conn, msgs: kit.NewQueue[message]()}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s.room = v.rooms.Join(req.URL.Path, s)
	defer s.room.Leave(s)
	go s.write(ctx)
	for {
		op, data, err := conn.Read(ctx)
		if err != nil {
			_ = conn.CloseNow() // the connection has ended already
			return
		}
		s.publish(message{op, data})
	}
}

// publish sends a message to the subscriber's room. It never waits: as in the example, it disconnects a subscriber that lags.
func (s *subscriber) publish(m message) {
	for _, to := range s.room.Snapshot() {
		if !to.msgs.Put(m, len(m.data)) {
			s.room.Leave(to)
			go to.conn.CloseNow()
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
				_ = s.conn.CloseNow() // unblocks the reader too
				return
			}
		}
	}
}

// drain writes the queued messages.
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
