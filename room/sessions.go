package room

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/internal/users"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// A Session is a connection that connects with a command and may be in many rooms. A dialect
// implements it as the data of the connection (netpoll.Conn.SetData), and embeds a SessionState. A
// connection whose data is no Session is in at most one room, which its tag identifies, and the hub can
// only close it.
//
// The hub calls the methods from any goroutine, with no lock held unless a method says otherwise. No
// method blocks.
type Session interface {
	state() *SessionState // by embedding a SessionState

	// Hub returns the hub that the session belongs to.
	Hub() *Hub
	// Conn returns the session's connection.
	Conn() netpoll.Conn
	// Encoding returns the encoding of its frames.
	Encoding() wire.Encoding
	// ClientID returns the client id that other users see.
	ClientID() string
	// Identity, Payer and Account are those of the Principal.
	Identity() *token.Identity
	Payer() budget.Owner
	Account() *cost.Usage
	// Connected reports whether the connect command was answered. From then on the session has its
	// identity and its payer.
	Connected() bool

	// AuthorIn returns the session as the members of a room see it; "": as all others see it.
	AuthorIn(room string) engine.Author
	// Membership returns the relation of the session to a room. in is true if it is a member or is
	// joining.
	Membership(room string) (m policy.Membership, in bool)
	// Members returns the memberships that have a slot.
	Members() []Member
	// Rooms returns the names of the rooms that the session is in, or is joining.
	Rooms() []string

	// Apply applies a control message. A message that comes before Connected waits for that.
	Apply(m engine.ControlMessage)
	// Leave ends a membership, and tells the client that the server has ended it.
	Leave(room string)
	// Lose is called when the room has lost publications. It ends the membership if that relies on its
	// position and has a slot. told means that the caller must call TellLost; otherwise the connection
	// is being closed. The caller holds Room.mu, and frees the slot.
	Lose(room string) (lost, told bool)
	// TellLost tells the client to subscribe again. Room.mu is held.
	TellLost(room string)
	// Disconnect closes the connection with a code of the protocol.
	Disconnect(code wire.DisconnectCode)

	// Published passes the outcome of the publish command with this id, see Hub.PublishCommand.
	Published(id uint32, err error)
	// BeginCall notes that a call of the session has begun. Hub.Settle waits until end is called, which is
	// called once. At most one call of a session is in progress.
	BeginCall() (end func())
	// Answer answers the RPC with this id, see Calls.
	Answer(id uint32, data []byte, err error)
	// AskPublish asks the backend whether the session may publish a message, see rpc.Call.CheckAndPublish.
	// If the backend gives no answer, the result of rights counts. then gets the message to publish.
	AskPublish(what SessionMessage, rights func() error, then func(SessionMessage, error))
}

// A SessionState is the hub's part of a session. The zero value is ready, except that Identify comes
// first. Its methods are safe for concurrent use.
type SessionState struct {
	Principal
	busy      atomic.Pointer[busy] // most connections are idle, so it is made when it is first used
	connected atomic.Bool
	entry     users.Entry // of Hub.users
}

// busy is what the hub keeps of a session that has called or published something.
type busy struct {
	call   atomic.Pointer[chan struct{}] // closed at the end of the call in progress; nil: none
	author atomic.Pointer[engine.Author] // of its last message, see authorOnce
}

func (s *SessionState) state() *SessionState { return s }

// BeginCall implements Session.
func (s *SessionState) BeginCall() (end func()) {
	over, call := make(chan struct{}), &s.others().call
	call.Store(&over)
	return func() {
		call.CompareAndSwap(&over, nil)
		close(over)
	}
}

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

// SessionOf returns the session of a connection, or nil.
func SessionOf(c netpoll.Conn) Session {
	s, _ := c.Data().(Session)
	return s
}

// PlainID returns the connection of a client id that a connection without a session has.
func PlainID(client string) (id netpoll.ID, ok bool) {
	number, ok := strings.CutPrefix(client, plainPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(number, 16, 64)
	return netpoll.ID(n), err == nil
}

// plainPrefix begins the client ids of connections that have no session.
const plainPrefix = "plain-"

// AuthorOf returns a connection as other users see it. A connection without a session has a client id,
// too.
func AuthorOf(c netpoll.Conn) engine.Author { return authorIn(c, "") }

// authorIn returns a connection as the members of a room see it.
func authorIn(c netpoll.Conn, room string) engine.Author {
	if s := SessionOf(c); s != nil {
		return s.AuthorIn(room)
	}
	a, who := engine.Author{Client: fmt.Sprintf(plainPrefix+"%x", c.ID())}, IdentityOf(c)
	a.User, a.ConnInfo = who.User, who.Info
	return a
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
