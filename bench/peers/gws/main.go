// Command gws is the chat room on lxzan/gws: the Broadcaster of its README.
//
// Its write queues have no bound and cannot be looked into, so the kernel's timeout cuts who does not read (see kit.ListenPatient).
package main

import (
	"log"

	"github.com/lxzan/gws"

	"webim/bench/peers/kit"
)

// room is everybody; gws calls it.
type room struct {
	gws.BuiltinEventHandler
	members kit.Members[*gws.Conn]
}

func main() {
	server := gws.NewServer(&room{}, &gws.ServerOption{ReadMaxPayloadSize: kit.MaxMessage, Logger: silent{}})
	log.Fatal(server.RunListener(kit.ListenPatient()))
}

func (r *room) OnOpen(c *gws.Conn)           { r.members.Add(c) }
func (r *room) OnClose(c *gws.Conn, _ error) { r.members.Remove(c) }
func (r *room) OnPing(c *gws.Conn, p []byte) { _ = c.WritePong(p) } // gws handles errors itself

func (r *room) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	for _, c := range r.members.Snapshot() {
		_ = b.Broadcast(c) // same
	}
}

// silent takes the log: who goes badly is not worth a line here.
type silent struct{}

func (silent) Error(...any) {}
