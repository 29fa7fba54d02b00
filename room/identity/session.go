package identity

import (
	"sync/atomic"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// A Session is a connection that connects with a command and may be in many rooms. A dialect implements it
// as the data of the connection, and embeds a State. Package room demands more of it: see room.Session.
//
// Its methods are called from any goroutine, with no lock held. None of them blocks.
type Session interface {
	state() *State // by embedding a State

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
	// BeginCall notes that a call of the session has begun. The caller calls end once. At most one call of a
	// session is in progress, see CallOf.
	BeginCall() (end func())

	// AuthorIn returns the session as the members of a room see it; "": as all others see it.
	AuthorIn(room string) engine.Author
	// Membership returns the relation of the session to a room. in is true if it is a member or is
	// joining.
	Membership(room string) (m policy.Membership, in bool)
	// Rooms returns the names of the rooms that the session is in, or is joining.
	Rooms() []string

	// Apply applies a control message. A message that comes before Connected waits for that.
	Apply(m engine.ControlMessage)
	// Leave ends a membership, and tells the client that the server has ended it.
	Leave(room string)
	// Rejudge ends the memberships that the rights of the rooms no longer allow, and tells the client.
	Rejudge()
	// Disconnect closes the connection with a code of the protocol.
	Disconnect(code wire.DisconnectCode)
}

// SessionOf returns the session of a connection, or nil.
func SessionOf(c netpoll.Conn) Session {
	s, _ := c.Data().(Session)
	return s
}

// A State is the part that all sessions have. The zero value is ready, except that Identify comes first.
// Its methods are safe for concurrent use.
type State struct {
	Principal
	busy      atomic.Pointer[busy] // most connections are idle, so it is made when it is first used
	connected atomic.Bool
	mark      mark // guarded by Table.mu
}

// busy is the part of a State that only a session which has called or published something needs.
type busy struct {
	call   atomic.Pointer[chan struct{}] // closed at the end of the call in progress; nil: none
	sender atomic.Pointer[engine.Author] // of its last message, see SenderOf
}

func (s *State) state() *State { return s }

// makeBusy returns s.busy, and makes it if there is none.
func (s *State) makeBusy() *busy {
	b := s.busy.Load()
	for b == nil {
		s.busy.CompareAndSwap(nil, new(busy))
		b = s.busy.Load()
	}
	return b
}

// Connected implements Session. SetConnected makes it true, for good.
func (s *State) Connected() bool { return s.connected.Load() }
func (s *State) SetConnected()   { s.connected.Store(true) }

// BeginCall implements Session.
func (s *State) BeginCall() (end func()) {
	over, call := make(chan struct{}), &s.makeBusy().call
	call.Store(&over)
	return func() {
		call.CompareAndSwap(&over, nil)
		close(over)
	}
}

// CallOf returns a channel that is closed when the call of a connection ends that is in progress; nil if
// there is none.
func CallOf(c netpoll.Conn) <-chan struct{} {
	s := SessionOf(c)
	if s == nil {
		return nil
	}
	if b := s.state().busy.Load(); b != nil {
		if call := b.call.Load(); call != nil {
			return *call
		}
	}
	return nil
}
