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

// The dialects of the clients. In the plain dialect a message is a text frame, the server sends it to the whole room as it
// is, and the URL's path is the room. The Centrifuge dialect is the Centrifuge protocol, version 2, in JSON: a channel is
// the room, and a message is {"text": payload}. Received publications become plain frames (see [Session]), so no scenario
// depends on the dialect.
const (
	Plain      = "plain"
	Centrifuge = "centrifuge"
)

// centrifugePath is the path of a Centrifuge server's endpoint unless the URL names another path.
const centrifugePath = "/connection/websocket"

func (c Config) Centrifuge() bool { return c.Dialect == Centrifuge }

func (c Config) RoomChannel() string { return option.OrDefault(c.Channel, "lobby") }

// Room returns the room that clients join unless a scenario chooses another one. It is a path in both dialects.
func (c Config) Room(t Target) string {
	if c.Centrifuge() {
		return "/" + c.RoomChannel()
	}
	return t.path()
}

// Endpoint returns the path of the upgrade request for a room.
func (c Config) Endpoint(t Target, room string) string {
	switch {
	case !c.Centrifuge():
		return room
	case t.path() == "/":
		return centrifugePath
	}
	return t.path()
}

// CheckDialect refuses options that the dialect does not have.
func (c Config) CheckDialect(t Target) error {
	switch {
	case c.Dialect != "" && c.Dialect != Plain && !c.Centrifuge():
		return option.Bad("--dialect %q: choose %s or %s", c.Dialect, Plain, Centrifuge)
	case !c.Centrifuge() && c.Channel != "":
		return option.Bad("--channel %q is for --dialect %s: in the plain dialect the path of --url is the room", c.Channel, Centrifuge)
	case !c.Centrifuge():
		return nil
	case c.Compress:
		return option.Bad("--dialect %s does not support --compress: remove one of the two", Centrifuge)
	case slices.ContainsFunc(c.Protocols, func(p string) bool { return p != "centrifuge-json" }):
		return option.Bad("--subprotocol %s: --dialect %s speaks centrifuge-json only", strings.Join(c.Protocols, ", "), Centrifuge)
	}
	return nil
}

// The ids of a client's first two commands. The ids of messages follow.
const (
	connectID = iota + 1
	subscribeID
	firstMessageID
)

// JoinCommands returns a client's first message: the commands connect and subscribe. A client with a place in the
// history asks for everything after it.
func JoinCommands(room, token string, from *Recovery) []byte {
	resume := ""
	if from != nil && from.Resume {
		resume = fmt.Sprintf(`,"recover":true,"epoch":%q,"offset":%d`, from.Epoch, from.Offset)
	}
	return fmt.Appendf(connectCommand(connectID, token), "\n{\"id\":%d,\"subscribe\":{\"channel\":%s%s}}", subscribeID, QuotedChannel(room), resume)
}

// connectCommand returns the connect command, without a token if it is empty.
func connectCommand(id int, token string) []byte {
	quoted, _ := json.Marshal(token) // no error for a string
	if token == "" {
		return fmt.Appendf(nil, `{"id":%d,"connect":{"name":"webim-bench"}}`, id)
	}
	return fmt.Appendf(nil, `{"id":%d,"connect":{"name":"webim-bench","token":%s}}`, id, quoted)
}

// withToken adds the token to a room's path as the query parameter "token", in the plain dialect.
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

// QuotedChannel returns the channel of a room as a JSON string.
func QuotedChannel(room string) string {
	b, _ := json.Marshal(strings.TrimPrefix(room, "/")) // no error for a string
	return string(b)
}

// AppendPublish appends the command that publishes message seq. The text must not need escapes in a JSON string.
func AppendPublish(b []byte, quoted string, seq uint32, text []byte) []byte {
	b = append(b, `{"id":`...)
	b = strconv.AppendUint(b, uint64(seq)+firstMessageID, 10)
	b = append(b, `,"publish":{"channel":`...)
	b = append(b, quoted...)
	b = append(b, `,"data":{"text":"`...)
	b = append(b, text...)
	return append(b, `"}}}`...)
}
