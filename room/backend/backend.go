package backend

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// Hook is a kind of request to the application's backend.
type Hook uint8

// The hooks.
const (
	HookConnect    Hook = iota // identify a client without a token
	HookRefresh                // may a connection that HookConnect has accepted stay?
	HookSubscribe              // may a client without a subscription token join a room?
	HookPublish                // may a client publish a message?
	HookRPC                    // answer a call that Config.Calls does not know
	HookDisconnect             // a connection has ended; there is no reply
	NumHooks
)

var hookNames = [NumHooks]string{"connect", "refresh", "subscribe", "publish", "rpc", "disconnect"}

// String returns the name of the hook, as in the settings.
func (k Hook) String() string { return hookNames[k] }

// Backend is the application's backend, to which the hub sends requests. Its replies replace the rights
// of the room and the token of the connection, and nothing else: # rooms stay private, and bans, mutes,
// limits and rates still apply. Connections of the plain dialect cannot wait for a reply. So if the
// backend would have to decide, they are not let in, and their messages are dropped.
//
// All methods are safe for concurrent use and do not block.
type Backend interface {
	// Handles reports whether the backend handles a hook, perhaps not in all rooms. That may change, as may
	// the results of Asks and Headers.
	Handles(k Hook) bool
	// Asks reports whether the backend handles a hook in a room; room is "" if the hook is about no room.
	Asks(k Hook, room string) bool
	// Ask sends a request. done is called once, from any goroutine except the caller's. The error is a
	// wire.ErrorCode or a wire.DisconnectCode, perhaps with a sentence, or ErrNoAnswer, also if the backend
	// no longer handles the hook; then the hub goes on as if the backend had not been asked.
	Ask(q Request, done func(Reply, error))
	// Disconnected tells the backend that a connection has ended, if its connect command was answered. It
	// does nothing if the backend does not handle HookDisconnect.
	Disconnected(d DisconnectEvent)
	// Headers returns the names of the handshake's headers that requests contain.
	Headers() []string
}

// ErrNoAnswer means that the backend gives no answer, and that the request may go on without one.
var ErrNoAnswer = errors.New("the application's backend does not answer")

// Request is a request to a backend. The hook decides which fields have a meaning. A request is not
// changed after Ask was called with it.
type Request struct {
	Hook     Hook
	Payer    budget.Owner // the owner that the request counts for; zero for HookRefresh, which no client causes
	Client   string
	Encoding wire.Encoding
	Header   http.Header // the headers of the handshake that Backend.Headers names

	User          string
	Meta          json.RawMessage // from the token of the connection, or from the reply to HookConnect
	Room          string
	Data          []byte   // from the command; nil: none
	Method        string   // of the RPC
	Name, Version string   // of the client, as the client says
	Channels      []string // the rooms that the client expects the server to join it to
}

// Reply is the reply of a backend.
type Reply struct {
	User     string
	Expires  time.Time // when the connection or the subscription expires; zero: never
	Expired  bool      // it has expired
	Info     []byte    // of the connection or the subscription, for other users
	Meta     []byte
	Data     []byte // for the client; for HookPublish, the data that replace those of the message; nil: none
	Channels []token.Channel
	Override engine.Override
	Skip     bool // HookPublish: keep the message out of the history
}

// DisconnectEvent describes a connection that has ended.
type DisconnectEvent struct {
	Client, User string
	Rooms        []string // the rooms that it was in at the end
	Code         uint32   // the close code that the client got
	Reason       string
	At           time.Time
}
