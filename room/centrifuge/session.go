package centrifuge

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"sync/atomic"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// session is a connection that speaks the Centrifuge dialect. It is the connection's data and
// lists the rooms that the connection is in. Its 208 bytes are the cost of an idle client
// besides the connection's record.
type session struct {
	d    *Dialect
	conn netpoll.Conn
	id   [16]byte // the client id, as a UUID

	identity.State // its identity and payer are set by connect

	enc       wire.Encoding
	closed    bool                      // guarded by mu: the connection has ended, so it joins no room and counts to no user
	awaited   atomic.Int32              // commands that are not answered yet
	partial   *partialBatch             // owned by the turn; nil means that no message waits
	large     atomic.Pointer[large]     // the command with a large reply under way; nil means none
	questions atomic.Pointer[questions] // nil before the first one; see askedOf
	nextCheck atomic.Int64              // when checkExpiry is due, in nanoseconds since 1970; 0 means never

	mu          sync.Mutex // taken under Room.mu
	subs        []sub
	pendingSubs *pendingSubscribe // the latest first
}

// A partialBatch says which commands of a message are handled. The others wait.
type partialBatch struct {
	count   int    // the number of handled commands
	left    int    // the bytes of the other commands
	drained func() // makes netpoll bring the message again when the queue has drained; nil if something else does
}

// large is a command with a large reply under way.
type large struct {
	id   uint32
	done atomic.Pointer[func()] // makes netpoll bring the waiting message; &replied if the reply was sent
}

// A pendingSubscribe is a subscribe command that waits for a decision: for the backend, for a roster, or
// for the keys that verify its token. Meanwhile the client may unsubscribe and subscribe again. So a
// decision counts only for its own command, and not for a later one of the same room.
type pendingSubscribe struct {
	room string
	next *pendingSubscribe
}

// newSession makes the session of a connection that has just opened.
func newSession(d *Dialect, c netpoll.Conn, enc wire.Encoding) *session {
	s := &session{d: d, conn: c, enc: enc}
	s.Identify(token.Anonymous)
	rand.Read(s.id[:]) // it never fails
	s.id[6], s.id[8] = s.id[6]&0x0f|0x40, s.id[8]&0x3f|0x80
	return s
}

// ClientID returns the session's id as a UUID of version 4 (RFC 9562, section 5.4).
func (s *session) ClientID() string {
	var b [36]byte
	hex.Encode(b[:8], s.id[:4])
	hex.Encode(b[9:13], s.id[4:6])
	hex.Encode(b[14:18], s.id[6:8])
	hex.Encode(b[19:23], s.id[8:10])
	hex.Encode(b[24:], s.id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// cfg returns the settings of the hub.
func (s *session) cfg() *room.Config { return s.d.hub.Config() }

// Hub implements room.Session, as do Conn and Encoding.
func (s *session) Hub() *room.Hub          { return s.d.hub }
func (s *session) Conn() netpoll.Conn      { return s.conn }
func (s *session) Encoding() wire.Encoding { return s.enc }

// AuthorIn implements Session.
func (s *session) AuthorIn(room string) engine.Author {
	if room == "" {
		return s.author()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.find(room); i >= 0 {
		return s.authorAs(&s.subs[i])
	}
	return s.author()
}

// Membership implements Session. A pending join counts as a membership.
func (s *session) Membership(room string) (m policy.Membership, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(room)
	if i < 0 {
		return m, false
	}
	m.In = true
	if t := s.subs[i].token; t != nil {
		m.Roles, m.Grants = t.roles, &t.grants
	}
	return m, true
}

// Members implements Session.
func (s *session) Members() (all []room.Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.subs {
		if one := &s.subs[i]; one.pending == nil {
			all = append(all, s.member(one))
		}
	}
	return all
}

// member returns the room.Member of a subscription that has its slot.
func (s *session) member(one *sub) room.Member {
	return room.Member{Room: one.room, Conn: s.conn, Kind: one.kind, Slot: one.slot}
}

// Rooms implements Session.
func (s *session) Rooms() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.subs {
		all = append(all, one.room.Name())
	}
	return all
}

// author returns the session as the author of messages and notices.
func (s *session) author() engine.Author {
	who := s.Identity()
	return engine.Author{User: who.User, Client: s.ClientID(), ConnInfo: who.Info}
}

// authorAs returns the session as the author in a room: with the info of the subscription's token.
func (s *session) authorAs(one *sub) engine.Author {
	a := s.author()
	if one.token != nil {
		a.ChanInfo = one.token.info
	}
	return a
}

// sessionAt returns the session of a connection, or nil if the connection speaks another dialect.
func sessionAt(c netpoll.Conn) *session {
	s, _ := c.Data().(*session)
	return s
}

// countConnection counts the session among the connections of its user. It fails if the user has the
// maximum already.
func (s *session) countConnection() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && !s.d.hub.Meter().CountConnection(&s.Usage, s.Identity().User) {
		return wire.DisconnectConnectionLimit
	}
	return nil
}

// find returns the index of a room in the session's subscriptions, or -1.
func (s *session) find(name string) int {
	return slices.IndexFunc(s.subs, func(one sub) bool { return one.room.Name() == name })
}

// canReserveLocked checks whether the session may have this room as another one.
func (s *session) canReserveLocked(name string) error {
	switch {
	case s.closed:
		return wire.ErrInternal
	case s.find(name) >= 0:
		return wire.ErrAlreadySubscribed
	case len(s.subs) >= s.cfg().MaxRoomsPerConn:
		return wire.ErrLimitExceeded
	}
	return nil
}

// IsQuiet implements room.Session.
func (s *session) IsQuiet() bool {
	if s.awaited.Load() > 0 || s.AsksBackend() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pendingSubs == nil && !slices.ContainsFunc(s.subs, func(one sub) bool { return one.pending != nil })
}

// AsksBackend implements room.Session.
func (s *session) AsksBackend() bool { return !s.questions.Load().none() }
