package wire_test

import (
	"testing"

	"webim/room/wire"
)

// TestTargets distinguishes the endpoint and the server's own paths, in all spellings, from rooms.
func TestTargets(t *testing.T) {
	for target, paths := range map[wire.Target][]string{
		wire.TargetEndpoint: {
			"/connection/websocket", "/connection/websocket/", "//connection/websocket", "/connection//websocket",
			"/Connection/WebSocket", "/CONNECTION/WEBSOCKET//", "/./connection/websocket", "/connection/./websocket",
			"/x/../connection/websocket", "/connection/websocket/.", "connection/websocket", `/connection\websocket`, "/connection%2fwebsocket", "/connection%252Fwebsocket", "/connection;v=1/websocket;x", "/connection/web\u017focket", // a long s
		},
		wire.TargetNone: {
			"/connection", "/connection/", "/connection/uni_websocket", "/connection/websocket/x", "/connection/websocket ",
			"/CONNECTION/x", "//connection", "/api", "/api/", "/API/publish", "//api//publish", "/./api", "/x/../api", "/live", "/live/feed",
			"/health", "/health/", "/Health", "/ready", "/metrics", "/docs", "/docs/x", "/socket.io", "/socket.io/", "/Socket.IO/?EIO=4",
			"/soc\u212aet.io", // a Kelvin sign
			"/%61pi", "/api%2Finfo", `\api`, `/x\..\api`, "/api;x/info", "/%2e%2e/live",
		},
		wire.TargetRoom: {
			"/", "", "/lobby", "/api-team", "/apis", "/x/api", "/connections", "/connection.websocket", "/live.feed", "/healthy",
			"/my/connection/websocket", "/socket", "/.", "/..", "//", "/100%", "/a%2Fb", "/a;b", "/x;api",
		},
	} {
		for _, path := range paths {
			if got, room, err := wire.TargetOf(path); got != target || err != nil || (room != "") != (target == wire.TargetRoom) {
				t.Errorf("TargetOf(%q) = %d, %q, %v; want target %d", path, got, room, err, target)
			}
		}
	}
}
