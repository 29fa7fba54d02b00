package room

import (
	"webim/netpoll"
	"webim/room/wire"

	"github.com/gobwas/ws"
)

// startHeartbeats makes the pings of the dialect: SDKs know no others, and
// measure time by them.
func (h *Hub) startHeartbeats(s *netpoll.Server) {
	if h.Config().PingInterval < 0 {
		return
	}
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		frame, err := netpoll.NewFrame(opOf(enc), wire.AppendPing(nil, enc))
		if err == nil {
			h.beats[enc], err = s.NewHeartbeat(netpoll.Heartbeat{Frame: frame, Interval: h.Config().PingInterval, Timeout: max(0, h.Config().PongTimeout),
				Code: ws.StatusCode(wire.DisconnectNoPong), Reason: wire.DisconnectNoPong.Text()})
		}
		if err != nil {
			panic(err) // only a wrong Config leads here
		}
	}
}
