// Command nbio serves the chat rooms with lesismal/nbio in its non-blocking mode. A poller reads, a pool runs the handler, and writes go
// directly to the socket. The library queues the bytes that the socket does not accept, up to a limit.
package main

import (
	"log"
	"net"
	"net/http"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"webim/bench/peers/kit"
)

var rooms kit.Rooms[*websocket.Conn]

func main() {
	logging.SetLevel(logging.LevelNone)
	ln := kit.Listen()
	upgrader := newUpgrader()
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network: "tcp", Addrs: []string{ln.Addr().String()},
		Listen:                       func(string, string) (net.Listener, error) { return ln, nil },
		IOMod:                        nbhttp.IOModNonBlocking,
		MaxLoad:                      1_000_000, // connections; the default is 10,000
		MaxWriteBufferSize:           kit.MaxQueue,
		MaxWebsocketFramePayloadSize: kit.MaxMessage, // the default cuts messages of more than 32 kB into frames
		ReleaseWebsocketPayload:      true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := upgrader.Upgrade(w, r, nil); err == nil { // otherwise Upgrade has sent the error
				c.SetSession(rooms.Join(r.URL.Path, c))
			}
		}),
	})
	upgrader.Engine = engine
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	select {}
}

func newUpgrader() *websocket.Upgrader {
	u := websocket.NewUpgrader()
	u.CheckOrigin = func(*http.Request) bool { return true }
	u.KeepaliveTime = 0 // the default disconnects clients that only listen after two minutes
	u.MessageLengthLimit = kit.MaxMessage
	u.OnClose(func(c *websocket.Conn, _ error) {
		if room, ok := c.Session().(*kit.Room[*websocket.Conn]); ok {
			room.Leave(c)
		}
	})
	u.OnMessage(func(from *websocket.Conn, op websocket.MessageType, data []byte) {
		room, ok := from.Session().(*kit.Room[*websocket.Conn])
		if !ok {
			return
		}
		for _, c := range room.Snapshot() {
			_ = c.WriteMessage(op, data) // nbio closes the connection on an error
		}
	})
	return u
}
