package room

import (
	"webim/netpoll"
	"webim/room/identity"
	"webim/room/policy"
)

// A Session is a identity.Session that can join rooms, publish and make calls. A connection whose data is no
// Session is in at most one room, which its tag identifies, and the hub can only close it.
//
// The hub calls the methods from any goroutine, with no lock held unless a method says otherwise. No
// method blocks.
type Session interface {
	identity.Session

	// Hub returns the hub that the session belongs to.
	Hub() *Hub
	// Members returns the memberships that have a slot.
	Members() []Member

	// IsQuiet reports whether all commands of the session have been answered, and no join and no question to the
	// backend is under way. AsksBackend reports whether a question is. See Hub.Quiesce.
	IsQuiet() bool
	AsksBackend() bool

	// Lose is called when the room has lost publications. It ends the membership if that relies on its
	// position and has a slot. told means that the caller must call TellLost; otherwise the connection
	// is being closed. The caller holds Room.mu, and frees the slot.
	Lose(room string) (lost, told bool)
	// TellLost tells the client to subscribe again. Room.mu is held.
	TellLost(room string)

	// Published passes the outcome of the publish command with this id, see Hub.PublishCommand.
	Published(id uint32, err error)
	// Answer answers the RPC with this id, see Calls.
	Answer(id uint32, data []byte, err error)
	// AskPublish asks the backend whether the session may publish a message, see rpc.Call.CheckAndPublish.
	// If the backend gives no answer, the result of rights counts. then gets the message to publish.
	AskPublish(what SessionMessage, rights func() error, then func(SessionMessage, error))
}

// sessionOf returns the session of a connection, or nil.
func sessionOf(c netpoll.Conn) Session {
	s, _ := c.Data().(Session)
	return s
}

// Calls implements the RPCs of sessions, see package rpc. Its methods are safe for concurrent use.
type Calls interface {
	// ClassOf returns the class of rates that an RPC counts in.
	ClassOf(method string) policy.Class
	// New makes the call of an RPC. known is false if there is no such method. If c is nil, the call has
	// been answered when New returns. The caller must start any other call with Begin. Session.Answer gets
	// the answer with the id of the command. data may be reused when New returns.
	New(s Session, id uint32, method string, data []byte) (c Call, known bool)
}

// Call is a call that has not begun.
type Call interface {
	// Begin runs the call on a goroutine, as soon as there is a slot for it. Until the call has been
	// answered, the caller of Begin must not handle anything that the client has sent after it. Then
	// release is called, from any goroutine.
	Begin(release func())
}

// SessionMessage is a message to publish in the name of a session.
type SessionMessage struct {
	Room     string
	Data     []byte
	Tags     map[string]string // set by the server, never by the client
	Key      string            // see engine.Message.Key; it must contain the identity of the author
	Original []byte            // the data from the client, if the backend has replaced them; see engine.Message.Original
	Skip     bool              // see engine.Message.Skip
	// CompactKey: see engine.Message.CompactKey.
	CompactKey string
	// Event means that this is an event about other messages, and no message itself: it does not count
	// in slow mode.
	Event bool
	// Always means that neither a mute nor a lock nor slow mode prevents the message: for example when
	// users delete their messages, or for the events of moderators.
	Always bool
}
