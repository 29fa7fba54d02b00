package centrifuge

import (
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/wire"
)

// Path is where connections speak the dialect.
const Path = wire.EndpointPath

// Dialect serves the connections of a hub that speak the Centrifuge protocol. Its methods
// are those of a netpoll.Handler, for these connections only. They are safe for concurrent
// use after Start.
type Dialect struct {
	hub   *room.Hub
	beats [2]netpoll.HeartbeatID // by wire.Encoding; set by Start
	early early
}

// New makes the dialect of a hub.
func New(hub *room.Hub) *Dialect { return &Dialect{hub: hub} }

// Start makes the heartbeats of the dialect, one for each encoding. Call it before the server listens.
// The SDKs know only the pings of the protocol, and use them to detect a lost connection.
func (d *Dialect) Start(s *netpoll.Server) {
	cfg := d.hub.Config()
	if cfg.PingInterval < 0 {
		return
	}
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		frame, err := netpoll.NewFrame(opOf(enc), wire.AppendPing(nil, enc))
		if err == nil {
			d.beats[enc], err = s.NewHeartbeat(netpoll.Heartbeat{Frame: frame, Interval: cfg.PingInterval, Timeout: max(0, cfg.PongTimeout),
				Code: ws.StatusCode(wire.DisconnectNoPong), Reason: wire.DisconnectNoPong.Text()})
		}
		if err != nil {
			panic(err) // only a wrong Config leads here
		}
	}
}

// opOf returns the opcode of an encoding's frames.
func opOf(e wire.Encoding) ws.OpCode {
	if e == wire.Protobuf {
		return ws.OpBinary
	}
	return ws.OpText
}
