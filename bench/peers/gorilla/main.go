// Command gorilla serves the chat rooms with gorilla/websocket. It is the hub of the library's chat example, with a set of clients for each
// room.
//
// The example's write pump joins waiting messages into one frame. Here each message stays a frame, so the pump writes prepared messages
// instead. The example's channel of 256 messages per client is a queue of bytes here; with the channel, one busy second at 1,000 messages
// would disconnect the whole room.
package main

import (
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"webim/bench/peers/kit"
)

// The example's times.
const (
	writeWait  = 10 * time.Second
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
)

// upgrader shares write buffers, because with prepared messages only pings need one.
var upgrader = websocket.Upgrader{
	ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{},
	CheckOrigin: func(*http.Request) bool { return true },
}

func main() {
	h := &hub{register: make(chan *client), unregister: make(chan *client), broadcast: make(chan message, 64),
		rooms: map[string]map[*client]bool{}}
	go h.run()
	log.Fatal(http.Serve(kit.Listen(), http.HandlerFunc(h.serve)))
}

// message is shared by all its receivers.
type message struct {
	*websocket.PreparedMessage
	size int
	room string
}

// hub owns the sets of clients. Only run uses them; the other goroutines send to its channels.
type hub struct {
	register, unregister chan *client
	broadcast            chan message
	rooms                map[string]map[*client]bool // by path; only run uses it
}

func (h *hub) run() {
	for {
		select {
		case c := <-h.register:
			if h.rooms[c.room] == nil {
				h.rooms[c.room] = map[*client]bool{}
			}
			h.rooms[c.room][c] = true
		case c := <-h.unregister:
			h.remove(c)
		case m := <-h.broadcast:
			for c := range h.rooms[m.room] {
				if !c.send.Put(m, m.size) {
					h.remove(c) // too slow
				}
			}
		}
	}
}

func (h *hub) remove(c *client) {
	if room := h.rooms[c.room]; room[c] {
		if delete(room, c); len(room) == 0 {
			delete(h.rooms, c.room)
		}
		close(c.gone)
		c.conn.Close() // unblocks a waiting write
	}
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has sent the error
	}
	c := &client{hub: h, room: r.URL.Path, conn: conn, send: kit.NewQueue[message](), gone: make(chan struct{})}
	h.register <- c
	go c.writePump()
	go c.readPump() // on a new goroutine, because this one would keep its stack and the request
}

// client is one connection, with one goroutine for each direction.
type client struct {
	hub  *hub
	room string
	conn *websocket.Conn
	send *kit.Queue[message]
	gone chan struct{} // closed by the hub
}

func (c *client) readPump() {
	defer func() {
		c.hub.unregister <- c
		c.conn.Close()
	}()
	c.conn.SetReadLimit(kit.MaxMessage)
	extend := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) }
	_ = extend("") // if it fails, the read fails too
	c.conn.SetPongHandler(extend)
	for {
		op, payload, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		m, err := websocket.NewPreparedMessage(op, payload)
		if err != nil {
			return
		}
		c.hub.broadcast <- message{m, len(payload), c.room}
	}
}

func (c *client) writePump() {
	ping := time.NewTicker(pingPeriod)
	defer func() {
		ping.Stop()
		c.conn.Close()
	}()
	for {
		select {
		case <-c.gone:
			return
		case <-c.send.Ready():
			if err := c.drain(); err != nil {
				return
			}
		case <-ping.C:
			if err := c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait)); err != nil {
				return
			}
		}
	}
}

// drain writes the queued messages.
func (c *client) drain() error {
	for {
		m, ok := c.send.Next()
		if !ok {
			return nil
		}
		_ = c.conn.SetWriteDeadline(time.Now().Add(writeWait)) // if it fails, the write fails too
		if err := c.conn.WritePreparedMessage(m.PreparedMessage); err != nil {
			return err
		}
	}
}
