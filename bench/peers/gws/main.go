// Command gws serves the chat rooms with lxzan/gws, using the Broadcaster of its README. A client's room is in its session, which is the
// place that gws offers for it.
//
// The library's write queues are unlimited and cannot be inspected, so the kernel's timeout disconnects clients that do not read (see
// kit.ListenPatient).
package main

import (
	"log"
	"net/http"

	"github.com/lxzan/gws"

	"webim/bench/peers/kit"
)

// handler has all rooms; gws calls it.
type handler struct {
	gws.BuiltinEventHandler
	rooms kit.Rooms[*gws.Conn]
}

// The keys of a session.
const (
	pathKey = "path"
	roomKey = "room"
)

func main() {
	authorize := func(r *http.Request, session gws.SessionStorage) bool {
		session.Store(pathKey, r.URL.Path)
		return true
	}
	server := gws.NewServer(&handler{}, &gws.ServerOption{ReadMaxPayloadSize: kit.MaxMessage, Logger: silent{}, Authorize: authorize})
	log.Fatal(server.RunListener(kit.ListenPatient()))
}

func (h *handler) OnOpen(c *gws.Conn) {
	path, _ := c.Session().Load(pathKey)
	c.Session().Store(roomKey, h.rooms.Join(path.(string), c))
	c.Session().Delete(pathKey)
}

// room returns a client's room, once the client has opened.
func room(c *gws.Conn) *kit.Room[*gws.Conn] {
	r, _ := c.Session().Load(roomKey)
	return r.(*kit.Room[*gws.Conn])
}

func (h *handler) OnClose(c *gws.Conn, _ error) { room(c).Leave(c) }
func (h *handler) OnPing(c *gws.Conn, p []byte) { _ = c.WritePong(p) } // gws handles the error

func (h *handler) OnMessage(from *gws.Conn, m *gws.Message) {
	defer m.Close()
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	for _, c := range room(from).Snapshot() {
		_ = b.Broadcast(c) // gws handles the error
	}
}

// silent discards the log, because a line for each failing client is not needed here.
type silent struct{}

func (silent) Error(...any) {}
