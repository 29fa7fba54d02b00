package centrifuge

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// session is a connection that speaks the Centrifuge dialect. It is the connection's data and
// lists the rooms that the connection is in. Its 208 bytes are the cost of an idle client
// besides the connection's record.
type session struct {
	d    *Dialect
	conn netpoll.Conn
	id   [16]byte // the client id, as a UUID
	enc  wire.Encoding

	room.Principal // its identity and payer are set by connect

	connected  atomic.Bool
	connecting atomic.Bool           // its connect command is not answered yet
	partial    *partialBatch         // owned by the turn; nil: no message waits
	large      atomic.Pointer[large] // the command that makes a large reply now; nil: none does
	questions  *questions            // nil without a backend
	nextCheck  atomic.Int64          // when checkExpiry is due, in nanoseconds since 1970; 0: never

	mu          sync.Mutex // taken under Room.mu
	closed      bool       // the connection has ended: it joins no room, and counts to no user
	subs        []sub
	pendingSubs *pendingSubscribe // the latest first
}

// newSession makes the session of a connection that has just opened.
func newSession(d *Dialect, c netpoll.Conn, enc wire.Encoding) *session {
	s := &session{d: d, conn: c, enc: enc}
	s.Identify(room.Anonymous)
	rand.Read(s.id[:]) // it never fails
	s.id[6], s.id[8] = s.id[6]&0x0f|0x40, s.id[8]&0x3f|0x80
	return s
}

// ClientID is the session's id as others see it (RFC 9562, section 5.4).
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

// cfg is the settings of the hub.
func (s *session) cfg() *room.Config { return s.d.hub.Config() }

// Hub implements room.Session, as do Conn, Encoding and Connected.
func (s *session) Hub() *room.Hub          { return s.d.hub }
func (s *session) Conn() netpoll.Conn      { return s.conn }
func (s *session) Encoding() wire.Encoding { return s.enc }
func (s *session) Connected() bool         { return s.connected.Load() }

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

// member is a subscription that has its slot, as the room knows it.
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

// author is the session as others see it.
func (s *session) author() engine.Author {
	who := s.Identity()
	return engine.Author{User: who.User, Client: s.ClientID(), ConnInfo: who.Info}
}

// authorAs is the session as a room sees it.
func (s *session) authorAs(one *sub) engine.Author {
	a := s.author()
	if one.token != nil {
		a.ChanInfo = one.token.info
	}
	return a
}

// sessionAt is a connection's session; nil if it speaks another dialect.
func sessionAt(c netpoll.Conn) *session {
	s, _ := c.Data().(*session)
	return s
}

// out gathers the replies to the commands of one message: they leave together.
type out struct {
	s       *session
	b       []byte
	scratch wire.Scratch // of the command that is handled
	call    *room.Call   // that the last command is to begin; nil: none
}

// maxReply is how much is gathered before it leaves.
const maxReply = 64 << 10

// reply adds a reply or a push.
func (o *out) reply(r *protocol.Reply) {
	b, err := wire.Append(o.b, o.s.enc, r)
	var code wire.ErrorCode
	if errors.As(err, &code) && r.Id != 0 {
		o.s.d.hub.LogInternal(fmt.Errorf("the reply cannot be said: %v", err), "a reply")
		b, err = wire.Append(o.b, o.s.enc, code.Reply(r.Id))
	}
	if err == nil {
		o.b = b
	}
	if len(o.b) > maxReply {
		o.flush()
	}
}

// flush sends the gathered replies. An error is the connection's end: the server closes it
// when its queue is full, and calls Hub.Close.
func (o *out) flush() {
	if len(o.b) > 0 {
		_ = o.s.push(o.b)
		o.b = o.b[:0]
	}
}

// tell sends a push that is no part of a room's stream. The client has not asked for it,
// so in the queue it counts as all messages do.
func (s *session) tell(p *protocol.Reply) {
	b, err := wire.Append(nil, s.enc, p)
	if err != nil {
		s.d.hub.LogInternal(fmt.Errorf("the push cannot be said: %v", err), "a push")
		return
	}
	_ = s.conn.Push(opOf(s.enc), b) // an error is the connection's end
}

// push sends one message of replies; b may be reused.
func (s *session) push(b []byte) error {
	return s.conn.Reply(opOf(s.enc), b)
}

// opOf is the opcode of an encoding's frames.
func opOf(e wire.Encoding) ws.OpCode {
	if e == wire.Protobuf {
		return ws.OpBinary
	}
	return ws.OpText
}

// end closes the connection with the DisconnectCode that an error wraps, and the
// reason that it gives.
func (s *session) end(err error) {
	code, reason := wire.Ending(err)
	_ = s.conn.Close(ws.StatusCode(code), reason)
}

// Disconnect closes the connection with a code of the protocol.
func (s *session) Disconnect(code wire.DisconnectCode) {
	_ = s.conn.Close(ws.StatusCode(code), code.Text())
}

// outs are the buffers of replies.
var outs = sync.Pool{New: func() any { return new(out) }}

func takeOut(s *session) *out {
	o := outs.Get().(*out)
	o.s = s
	return o
}

// give sends the gathered replies and gives the buffer back.
func (o *out) give() {
	o.flush()
	if cap(o.b) > 2*maxReply {
		o.b = nil
	}
	o.s, o.b, o.call = nil, o.b[:0], nil
	o.scratch.Release()
	outs.Put(o)
}

// message handles the commands of one WebSocket message. A command that takes its time
// replies when it is done; the others do not wait for it.
func (s *session) message(op ws.OpCode, data []byte) {
	if (op == ws.OpBinary) != (s.enc == wire.Protobuf) {
		s.logRefusal(nil, wire.DisconnectBadRequest)
		s.Disconnect(wire.DisconnectBadRequest)
		return
	}
	commands, err := wire.Decode(s.enc, s.unhandled(data), s.cfg().MaxCommands)
	if err != nil {
		s.logRefusal(nil, err)
		s.end(err)
		return
	}
	s.skipHandled(&commands)
	s.BeginMessage()
	o := takeOut(s)
	defer o.give()
	commands.Lend(&o.scratch, s)
	s.commands(o, &commands)
}

// Known implements wire.Names: it finds the name among those of the session's rooms.
func (s *session) Known(b []byte) (name string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.subs {
		if name := s.subs[i].room.Name(); name == string(b) {
			return name, true
		}
	}
	return "", false
}

// commands handles one command after the other. It stops at a connect command that is
// answered later, because the others mean nothing without it, and when the client has to
// take its replies first. Then the message comes again.
func (s *session) commands(o *out, all *wire.Commands) {
	for {
		taken, left := all.Taken(), len(all.Rest())
		method, c, err := all.Next()
		if answersItself(method) {
			o.flush()
		}
		if err == io.EOF || s.mustYield(method, c, taken, left) || s.hold(method, c, taken, left) {
			return
		}
		over := s.conn.Spent(workOf(method, c))
		if err == nil && method == wire.Connect {
			var wait bool
			if wait, err = s.connect(o, c, all); wait {
				return
			}
		} else if err == nil {
			err = s.command(o, method, c)
		}
		if o.call != nil {
			o.call.Begin(s.wait(all))
			return
		}
		if s.refused(o, c, err) || s.endTurn(all, over) {
			return
		}
	}
}

// refused tells the client the error of a command, and reports whether that ends the
// connection.
func (s *session) refused(o *out, c *protocol.Command, err error) bool {
	if err == nil {
		return false // most commands have no error, and the code below allocates
	}
	s.logRefusal(c, err)
	var disconnect wire.DisconnectCode
	if errors.As(err, &disconnect) {
		o.flush()
		s.end(err)
		return true
	}
	s.d.hub.LogInternal(err, "a command")
	var code wire.ErrorCode
	if errors.As(err, &code) && c.Id != 0 {
		o.reply(wire.ErrorReply(c.Id, err))
		s.replied(c.Id)
	}
	return false
}

// close ends the session for good, with its memberships and its pending subscribes.
func (s *session) close() {
	s.d.hub.Unregister(s)
	if s.questions != nil {
		s.askNext()
	}
	s.mu.Lock()
	s.closed = true
	s.d.hub.UncountConnection(&s.Principal)
	s.mu.Unlock()
	s.leaveAll()
}

// leaveAll ends all memberships.
func (s *session) leaveAll() {
	s.mu.Lock()
	s.pendingSubs = nil
	subs := make([]sub, 0, len(s.subs))
	for i := len(s.subs) - 1; i >= 0; i-- {
		subs = append(subs, s.takeLocked(i))
	}
	s.subs = nil
	s.mu.Unlock()
	for _, one := range subs {
		s.releaseSlot(one)
	}
}

// countConnection counts the session to its user, if the user may have one more.
func (s *session) countConnection() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && !s.d.hub.CountConnection(&s.Principal) {
		return wire.DisconnectConnectionLimit
	}
	return nil
}

// seconds is a duration as the protocol has it, rounded up.
func seconds(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }
