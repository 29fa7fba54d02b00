package room

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// Hook is a question that an application's backend may be asked.
type Hook uint8

// The hooks. HookDisconnect is no question but a notice.
const (
	HookConnect    Hook = iota // who is this, without a token?
	HookRefresh                // is this connection, which HookConnect let in, still good?
	HookSubscribe              // may it join this room, without a token for it?
	HookPublish                // may it say that there?
	HookRPC                    // a call that nobody else knows
	HookDisconnect             // it is gone
	NumHooks
)

var hookNames = [NumHooks]string{"connect", "refresh", "subscribe", "publish", "rpc", "disconnect"}

// String is the hook's name, as settings have it.
func (k Hook) String() string { return hookNames[k] }

// Backend is asked, and told, by the hub. What it answers takes the place of the
// rights table and of the connection's token, and of nothing else: rooms with #
// stay private, and bans, mutes, limits and rates hold. Connections of the plain
// dialect cannot wait for an answer: where one would be asked for they are not let
// in, and what they say is lost.
//
// All methods are safe for concurrent use and do not block.
type Backend interface {
	// Asks reports whether it is to be asked; room is "" for what is of none.
	Asks(k Hook, room string) bool
	// Ask asks. done is called once, from any goroutine but the caller's. An error
	// is a wire.ErrorCode or wire.DisconnectCode, with a sentence perhaps, or
	// ErrNoAnswer: then the hub goes on as if it had not been asked.
	Ask(q HookRequest, done func(HookReply, error))
	// Disconnected tells that a connection that had connected is gone.
	Disconnected(d DisconnectEvent)
	// Headers are the names of the handshake's headers that questions have.
	Headers() []string
}

// ErrNoAnswer: the backend does not answer, and is not to keep anybody for that.
var ErrNoAnswer = errors.New("room: the backend does not answer")

// HookRequest is what a backend is asked. Which fields mean something depends on the
// hook. Nothing of it is changed after it was asked.
type HookRequest struct {
	Hook     Hook
	Payer    budget.Owner // who asks, as shares are counted; of HookRefresh, which no client causes, nobody
	Client   string
	Encoding wire.Encoding
	Header   http.Header // of the handshake, those that Headers names

	User          string
	Meta          json.RawMessage // of the connection's token, or HookConnect's answer
	Room          string
	Data          []byte   // of the command; nil: none
	Method        string   // of an RPC
	Name, Version string   // of the client, as it says
	Channels      []string // rooms that it wants to be joined to by the server
}

// HookReply is what a backend answers.
type HookReply struct {
	User     string
	Expires  time.Time // of the connection, or the subscription; zero: never
	Expired  bool      // that time has come, or, HookRefresh, the connection has ended
	Info     []byte    // shown to others: of the connection, or the subscription
	Meta     []byte
	Data     []byte // for the client; of HookPublish: instead of what it said; nil: none
	Channels []token.Channel
	Override engine.Override
	Skip     bool // HookPublish: not for the history
}

// DisconnectEvent is a connection that is gone.
type DisconnectEvent struct {
	Client, User string
	Rooms        []string // that it was in at the end
	Code         uint32   // of the close, as the client knows it
	Reason       string
	At           time.Time
}

// Asks reports whether the backend is to be asked.
func (h *Hub) Asks(k Hook, room string) bool {
	return h.cfg.Backend != nil && h.cfg.Backend.Asks(k, room)
}

// TellDisconnect tells the backend, which asks for HookDisconnect, that a connection is gone
// that was in some rooms.
func (h *Hub) TellDisconnect(a engine.Author, rooms []string, why netpoll.Closed) {
	h.cfg.Backend.Disconnected(DisconnectEvent{Client: a.Client, User: a.User, Rooms: rooms, Code: uint32(why.Code), Reason: why.Reason, At: time.Now()})
}
