// Command greatws serves the chat rooms with antlabs/greatws, set up as in its README: one event loop, and callbacks in its pool.
//
// The library's write buffer is unlimited and cannot be inspected, so the kernel's timeout disconnects clients that do not read (see
// kit.ListenPatient). If a socket accepts not even the first byte of a frame, v0.2.2 drops the frame silently, because connWrite in
// conn_unix.go keeps the rest only if a part was written. A flood shows this as lost messages, and the library's users lose them too.
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
		_ = c.WriteMessage(op, data) // greatws closes the connection on an error
	}
}

func main() {
	// A level above Error, because greatws logs a line for every connection that ends during a write.
	loop := greatws.NewMultiEventLoopMust(greatws.WithEventLoops(0), greatws.WithMaxEventNum(256), greatws.WithLogLevel(slog.LevelError+1))
	loop.Start()
	upgrader := greatws.NewUpgrade(greatws.WithServerReplyPing(), greatws.WithServerIgnorePong(),
		greatws.WithServerMultiEventLoop(loop), greatws.WithServerReadMaxMessage(kit.MaxMessage))
	log.Fatal(http.Serve(kit.ListenPatient(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = upgrader.UpgradeV2(w, r, &member{path: r.URL.Path}) // UpgradeV2 has sent the error
	})))
}
