// Command greatws is the chat rooms on antlabs/greatws, set up as in its README: one event loop, callbacks in its pool.
//
// Its write buffer has no bound and cannot be looked into, so the kernel's timeout cuts who does not read (see kit.ListenPatient). When a
// socket takes not even the first byte of a frame, v0.2.2 drops the frame silently (connWrite in conn_unix.go keeps the rest only when
// some of it went out): a flood shows that as lost messages, and that is what its users get.
package main

import (
	"log"
	"log/slog"
	"net/http"

	"github.com/antlabs/greatws"

	"webim/bench/peers/kit"
)

var rooms kit.Rooms[*greatws.Conn]

// member is one client; greatws calls it.
type member struct {
	path string
	room *kit.Room[*greatws.Conn]
}

func (m *member) OnOpen(c *greatws.Conn)           { m.room = rooms.Join(m.path, c) }
func (m *member) OnClose(c *greatws.Conn, _ error) { m.room.Leave(c) }

func (m *member) OnMessage(_ *greatws.Conn, op greatws.Opcode, data []byte) {
	if op != greatws.Text && op != greatws.Binary {
		return
	}
	for _, c := range m.room.Snapshot() {
		_ = c.WriteMessage(op, data) // greatws closes it
	}
}

func main() {
	// A level above Error: it writes a line for every connection that ends while something is written to it.
	loop := greatws.NewMultiEventLoopMust(greatws.WithEventLoops(0), greatws.WithMaxEventNum(256), greatws.WithLogLevel(slog.LevelError+1))
	loop.Start()
	upgrader := greatws.NewUpgrade(greatws.WithServerReplyPing(), greatws.WithServerIgnorePong(),
		greatws.WithServerMultiEventLoop(loop), greatws.WithServerReadMaxMessage(kit.MaxMessage))
	log.Fatal(http.Serve(kit.ListenPatient(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = upgrader.UpgradeV2(w, r, &member{path: r.URL.Path}) // it has answered
	})))
}
