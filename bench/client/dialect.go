package client

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"webim/bench/option"
)

// The dialects that the clients speak. Plain: what comes in goes out, and the path is the room. Centrifuge: the Centrifuge protocol, version 2, in
// JSON, where a channel is the room and a message is {"text": payload}. Publications become plain frames as they come in (see [session]), so that no
// scenario knows of the dialect.
const (
	Plain      = "plain"
	Centrifuge = "centrifuge"
)

// centrifugePath is where a Centrifuge server listens unless the URL names another path.
const centrifugePath = "/connection/websocket"

func (c Config) Centrifuge() bool { return c.Dialect == Centrifuge }

func (c Config) RoomChannel() string { return option.OrDefault(c.Channel, "lobby") }

// Room is what the clients join unless a scenario says otherwise, as a path: a channel is a path here too.
func (c Config) Room(t Target) string {
	if c.Centrifuge() {
		return "/" + c.RoomChannel()
	}
	return t.path()
}

// Endpoint is the path of the upgrade for a room.
func (c Config) Endpoint(t Target, room string) string {
	switch {
	case !c.Centrifuge():
		return room
	case t.path() == "/":
		return centrifugePath
	}
	return t.path()
}

// CheckDialect refuses what the dialect cannot do.
func (c Config) CheckDialect(t Target) error {
	switch {
	case c.Dialect != "" && c.Dialect != Plain && !c.Centrifuge():
		return option.Bad("--dialect %q: take %s or %s", c.Dialect, Plain, Centrifuge)
	case !c.Centrifuge() && c.Channel != "":
		return option.Bad("--channel %q is for --dialect %s: in the plain dialect the path of --url is the room", c.Channel, Centrifuge)
	case !c.Centrifuge():
		return nil
	case c.Compress:
		return option.Bad("--dialect %s does not work with --compress: leave one of them out", Centrifuge)
	case slices.ContainsFunc(c.Protocols, func(p string) bool { return p != "centrifuge-json" }):
		return option.Bad("--subprotocol %s: --dialect %s speaks centrifuge-json only", strings.Join(c.Protocols, ", "), Centrifuge)
	}
	return nil
}

// The ids of a client's first two commands; those of messages follow.
const (
	connectID = iota + 1
	subscribeID
	firstMessageID
)

// JoinCommands are what a client begins with: both commands in one message.
func JoinCommands(room, token string) []byte {
	return fmt.Appendf(connectCommand(connectID, token), "\n{\"id\":%d,\"subscribe\":{\"channel\":%s}}", subscribeID, QuotedChannel(room))
}

// connectCommand is the connect command; an empty token is left out.
func connectCommand(id int, token string) []byte {
	quoted, _ := json.Marshal(token) // no error for a string
	if token == "" {
		return fmt.Appendf(nil, `{"id":%d,"connect":{"name":"webim-bench"}}`, id)
	}
	return fmt.Appendf(nil, `{"id":%d,"connect":{"name":"webim-bench","token":%s}}`, id, quoted)
}

// withToken adds the token to a room's path in the plain dialect, where it is the query's parameter "token".
func (c Config) withToken(room string) string {
	if c.Token == "" || c.Centrifuge() {
		return room
	}
	mark := "?"
	if strings.Contains(room, "?") {
		mark = "&"
	}
	return room + mark + "token=" + url.QueryEscape(c.Token)
}

// QuotedChannel is a room's channel in JSON.
func QuotedChannel(room string) string {
	b, _ := json.Marshal(strings.TrimPrefix(room, "/")) // no error for a string
	return string(b)
}

// AppendPublish appends the command that publishes message seq. Its text must be what may stand between a JSON string's quotes.
func AppendPublish(b []byte, quoted string, seq uint32, text []byte) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendUint(b, uint64(seq)+firstMessageID, 10)
	b = append(b, `,"publish":{"channel":`...)
	b = append(b, quoted...)
	b = append(b, `,"data":{"text":"`...)
	b = append(b, text...)
	return append(b, `"}}}`...)
}
