// Command gws is the chat rooms on lxzan/gws: the Broadcaster of its README. A client's room is in its session, which is where gws has room for it.
//
// Its write queues have no bound and cannot be looked into, so the kernel's timeout cuts who does not read (see kit.ListenPatient).
package main

import (
	"log"
	"net/http"

	"github.com/lxzan/gws"

	"webim/bench/peers/kit"
)

// handler is all rooms; gws calls it.
type handler struct {
	gws.BuiltinEventHandler
	rooms kit.Rooms[*gws.Conn]
}

// Keys of a session.
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

// room is a client's room, once it is open.
func room(c *gws.Conn) *kit.Room[*gws.Conn] {
	r, _ := c.Session().Load(roomKey)
	return r.(*kit.Room[*gws.Conn])
}

func (h *handler) OnClose(c *gws.Conn, _ error) { room(c).Leave(c) }
func (h *handler) OnPing(c *gws.Conn, p []byte) { _ = c.WritePong(p) } // gws handles errors itself

func (h *handler) OnMessage(from *gws.Conn, m *gws.Message) {
	defer m.Close()
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	for _, c := range room(from).Snapshot() {
		_ = b.Broadcast(c) // same
	}
}

// silent takes the log: who goes badly is not worth a line here.
type silent struct{}

func (silent) Error(...any) {}
