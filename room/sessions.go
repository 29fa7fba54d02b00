package room

import (
	"fmt"
	"sync/atomic"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Anonymous is the identity of all connections without a token.
var Anonymous = &token.Identity{}

// A Session is what a dialect knows of a connection that connects by a command and may be
// in many rooms. It is the connection's data (netpoll.Conn.SetData) and embeds a
// SessionState. A connection whose data is no Session has at most one room, which its tag
// names, and can only be closed.
//
// The hub calls a Session from any goroutine. It holds no lock, except where a method says
// otherwise. No method blocks.
type Session interface {
	state() *SessionState // by embedding a SessionState

	// Hub is the hub that the session belongs to.
	Hub() *Hub
	// Conn is the session's connection.
	Conn() netpoll.Conn
	// Encoding is what its frames carry.
	Encoding() wire.Encoding
	// ClientID is its id as others see it.
	ClientID() string
	// Connected reports whether its connect command was answered. From then on its
	// identity has a user, if any, and its Payer is known.
	Connected() bool

	// AuthorIn is the session as the members of a room see it; "": as others do.
	AuthorIn(room string) engine.Author
	// Membership is what it is in a room; in: it is there, or about to be.
	Membership(room string) (m policy.Membership, in bool)
	// Members are its memberships that have a seat.
	Members() []Member
	// Rooms are the names of the rooms that it is in, or about to be.
	Rooms() []string

	// Apply does what an order says. An order that comes before Connected waits for that.
	Apply(o engine.ControlMessage)
	// Leave ends a membership, and tells the client that the server did.
	Leave(room string)
	// Lose ends a membership, if it relies on its position and has its seat: the room has
	// lost publications. told: the client is to be told with TellLost; else its
	// connection is being closed. The caller, which holds Room.mu, gives the seat back.
	Lose(room string) (lost, told bool)
	// TellLost tells the client that it is to subscribe anew. Room.mu is held.
	TellLost(room string)
	// Disconnect closes the connection with a code of the protocol.
	Disconnect(code wire.DisconnectCode)

	// Published is the outcome of the publish command with this id, see Hub.PublishCommand.
	Published(id uint32, err error)
	// Answer answers the RPC with this id, see Hub.NewCall.
	Answer(id uint32, data []byte, err error)
	// AskPublish asks the backend what the session may say, see Call.CheckAndPublish.
	AskPublish(what SessionMessage, rights func() error, then func(SessionMessage, error))
}

// A SessionState is the hub's part of a session. The zero value is ready, except that Identify comes
// first. Its methods are safe for concurrent use.
type SessionState struct {
	Principal
	busy      atomic.Pointer[busy] // most connections are idle, so it is made when it is first used
	connected atomic.Bool
	registry  registration // guarded by users.mu
}

// busy is what the hub keeps of a session that has called or published something.
type busy struct {
	call   atomic.Pointer[Call]          // in progress; nil: none
	author atomic.Pointer[engine.Author] // of its last message, see authorOnce
}

func (s *SessionState) state() *SessionState { return s }

func (s *SessionState) others() *busy {
	b := s.busy.Load()
	for b == nil {
		s.busy.CompareAndSwap(nil, new(busy))
		b = s.busy.Load()
	}
	return b
}

// Connected implements Session. SetConnected makes it true, for good.
func (s *SessionState) Connected() bool { return s.connected.Load() }
func (s *SessionState) SetConnected()   { s.connected.Store(true) }

// sessionOf is a connection's session; nil if it has none.
func sessionOf(c netpoll.Conn) Session {
	s, _ := c.Data().(Session)
	return s
}

// plainPrefix begins the client ids of connections that have no session.
const plainPrefix = "plain-"

// AuthorOf is a connection as others see it. One without a session has an id of its own.
func AuthorOf(c netpoll.Conn) engine.Author { return authorIn(c, "") }

// authorIn is a connection as the members of a room see it.
func authorIn(c netpoll.Conn, room string) engine.Author {
	if s := sessionOf(c); s != nil {
		return s.AuthorIn(room)
	}
	a, who := engine.Author{Client: fmt.Sprintf(plainPrefix+"%x", c.ID())}, identityOf(c)
	a.User, a.ConnInfo = who.User, who.Info
	return a
}
