package wire

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// EndpointPath is the path at which connections use the centrifuge dialect.
const EndpointPath = "/connection/websocket"

// reserved are the first segments of the server's own paths, and of paths that clients of other
// servers use. No room of the plain dialect begins with one of them. Otherwise a client that misses
// its endpoint by a slash would join a room, take its own messages for replies, and leave its token
// in the room's history.
var reserved = []string{"connection", "api", "live", "health", "ready", "metrics", "docs", "socket.io", "sockjs"}

// Target is the kind of thing that the path of a WebSocket URL names.
type Target uint8

// The targets.
const (
	// TargetNone is a reserved path, which gets status 404.
	TargetNone Target = iota
	// TargetEndpoint is EndpointPath in any spelling, such as with more slashes or in another case.
	TargetEndpoint
	// TargetRoom is a room of the plain dialect.
	TargetRoom
)

// TargetOf decides what an unescaped URL path names. A room's name is the path after its first
// slash; further slashes belong to the name; "/" is the Lobby. If t is TargetRoom, err may say why
// the name is invalid.
//
// TargetOf looks for the endpoint and the reserved segments in the path as plainly returns it, and
// ignores case. It compares whole segments, so /api-team is a room.
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

// plainly returns a path as the most lenient server on the way may read it. Proxies and clients add
// slashes, escape text that is already escaped, and write a backslash for a slash; browsers resolve
// "." and ".."; some servers cut off parameters, which begin with a semicolon.
func plainly(urlPath string) string {
	if strings.HasPrefix(urlPath, "/") && !strings.ContainsAny(urlPath, `%\;.`) && !strings.Contains(urlPath, "//") && (urlPath == "/" || !strings.HasSuffix(urlPath, "/")) {
		return urlPath // the common case, which must be fast when many clients connect at once
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
