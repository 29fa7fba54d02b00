package wire

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// EndpointPath is where connections speak the centrifuge dialect.
const EndpointPath = "/connection/websocket"

// reserved are the first segments of the server's own paths, and of paths that
// clients of other servers ask for. No room of the plain dialect begins with one:
// a client that misses its endpoint by a slash would otherwise be let into a room,
// take its own messages for replies, and leave its token in the room's history.
var reserved = []string{"connection", "api", "live", "health", "ready", "metrics", "docs", "socket.io", "sockjs"}

// Target is what the path of a WebSocket's URL names.
type Target uint8

// The targets.
const (
	// TargetNone is a path that is neither of the others: 404.
	TargetNone Target = iota
	// TargetEndpoint is EndpointPath in any spelling: with more slashes or other
	// case.
	TargetEndpoint
	// TargetRoom is a room of the plain dialect.
	TargetRoom
)

// TargetOf decides what an unescaped URL path names. The room is the path behind
// its first slash; further slashes are part of the name; "/" is the Lobby. An error,
// which comes with TargetRoom, says what is wrong with the room's name.
//
// The endpoint and the reserved segments are looked for in the path as plainly has it,
// and without case. A segment is compared whole, so /api-team is a room.
func TargetOf(urlPath string) (t Target, room string, err error) {
	clean := plainly(urlPath)
	first, _, _ := strings.Cut(clean[1:], "/")
	switch {
	case strings.EqualFold(clean, EndpointPath):
		return TargetEndpoint, "", nil
	case slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, first) }):
		return TargetNone, "", nil
	case urlPath == "" || urlPath == "/":
		return TargetRoom, Lobby, nil
	}
	room, err = RoomName(strings.TrimPrefix(urlPath, "/"))
	return TargetRoom, room, err
}

// plainly is a path as the most lenient server on the way may read it: proxies and
// clients add slashes, escape what is escaped already, and write a backslash for a
// slash; browsers resolve "." and ".."; some servers cut parameters off, which begin
// with a semicolon.
func plainly(urlPath string) string {
	if strings.HasPrefix(urlPath, "/") && !strings.ContainsAny(urlPath, `%\;.`) && !strings.Contains(urlPath, "//") && (urlPath == "/" || !strings.HasSuffix(urlPath, "/")) {
		return urlPath // most are plain, and handshakes come in storms
	}
	for range 3 {
		again, err := url.PathUnescape(urlPath)
		if err != nil || again == urlPath {
			break
		}
		urlPath = again
	}
	segments := strings.Split(strings.ReplaceAll(urlPath, `\`, "/"), "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return path.Clean("/" + strings.Join(segments, "/"))
}
