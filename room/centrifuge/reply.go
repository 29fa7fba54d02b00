package centrifuge

import (
	"errors"
	"fmt"
	"sync"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/wire"
)

// out collects the replies to the commands of one message, so that they leave in one message.
type out struct {
	s       *session
	b       []byte
	scratch wire.Scratch // memory of the present command
	call    room.Call    // the call to begin after the last command; nil means none
}

// maxReply is the number of collected bytes from which out sends them at once.
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

// flush sends the collected replies. It ignores errors: after an error the connection ends, and netpoll
// calls Dialect.Close.
func (o *out) flush() {
	if len(o.b) > 0 {
		_ = o.s.push(o.b)
		o.b = o.b[:0]
	}
}

// outs is the pool of buffers for replies.
var outs = sync.Pool{New: func() any { return new(out) }}

func takeOut(s *session) *out {
	o := outs.Get().(*out)
	o.s = s
	return o
}

// maxKept is the capacity up to which a buffer is kept for other replies: enough for a large reply with
// the default of Config.MaxReply, because a client can ask for many of them. The collector frees the
// buffers when nobody has used them for a while.
const maxKept = 2 << 20

// give sends the collected replies and returns the buffer to the pool.
func (o *out) give() {
	o.flush()
	if cap(o.b) > maxKept {
		o.b = nil
	}
	o.s, o.b, o.call = nil, o.b[:0], nil
	o.scratch.Release()
	outs.Put(o)
}

// fail ends a command that had to wait. name is its room, for the log, or "". For a DisconnectCode it closes the connection; for an ErrorCode
// it replies with the code, and for any other error with ErrInternal.
func (s *session) fail(id uint32, name string, err error) {
	var end wire.DisconnectCode
	if errors.As(err, &end) {
		s.logRefusal(name, err)
		s.end(err)
		s.awaited.Add(-1)
		return
	}
	s.answer(id, name, err, nil)
}

// answer sends the reply to a command in a message of its own. name is that of fail. If err is not nil, it sends an error
// reply instead. Any goroutine may call it.
func (s *session) answer(id uint32, name string, err error, r *protocol.Reply) {
	if err != nil {
		s.d.hub.LogInternal(err, "a command that was answered later")
		s.logRefusal(name, err)
		r = wire.ErrorReply(id, err)
	}
	r.Id = id
	o := takeOut(s)
	o.reply(r)
	o.give()
	s.replied(id)
	s.awaited.Add(-1) // last: see room.Hub.Quiesce
}

// Published implements Session: it replies to a publish command.
func (s *session) Published(id uint32, err error) {
	if err != nil {
		s.answer(id, "", err, nil)
		return
	}
	o := takeOut(s)
	o.b = wire.AppendPublished(o.b, s.enc, id)
	o.give()
	s.replied(id)
	s.awaited.Add(-1)
}

// Answer implements Session: it replies to an RPC.
func (s *session) Answer(id uint32, data []byte, err error) {
	if err != nil {
		s.fail(id, "", err)
		return
	}
	s.answer(id, "", nil, &protocol.Reply{Rpc: &protocol.RPCResult{Data: data}})
}

// tell sends a push that does not belong to the stream of a room. Unlike a reply, it counts against
// the bound of the connection's queue, because the client has not asked for it.
func (s *session) tell(p *protocol.Reply) {
	b, err := wire.Append(nil, s.enc, p)
	if err != nil {
		s.d.hub.LogInternal(fmt.Errorf("the push cannot be said: %v", err), "a push")
		return
	}
	_ = s.conn.Push(opOf(s.enc), b) // an error is the connection's end
}

// push sends one message of replies. The caller may reuse b.
func (s *session) push(b []byte) error {
	return s.conn.Reply(opOf(s.enc), b)
}

// end closes the connection with the DisconnectCode and the reason that an error wraps; see
// wire.Ending.
func (s *session) end(err error) {
	code, reason := wire.Ending(err)
	_ = s.conn.CloseBy(partyOf(code), ws.StatusCode(code), reason)
}

// Disconnect closes the connection with a code of the protocol.
func (s *session) Disconnect(code wire.DisconnectCode) {
	_ = s.conn.CloseBy(partyOf(code), ws.StatusCode(code), code.Text())
}

// partyOf returns the party on whose account the dialect closes a connection with a code.
func partyOf(code wire.DisconnectCode) netpoll.Party {
	switch code {
	case wire.DisconnectBadRequest:
		return netpoll.ByClient
	case wire.DisconnectStale, wire.DisconnectConnectionLimit, wire.DisconnectChannelLimit, wire.DisconnectTooManyErrors:
		return netpoll.ByLimit
	case wire.DisconnectBanned, wire.DisconnectForceNoReconnect:
		return netpoll.ByOperator
	}
	if code >= 4000 { // the backend's
		return netpoll.ByOperator
	}
	return netpoll.ByServer
}

// disconnectLost closes the connection after a gap in a subscription that the server made. The session's lock or
// that of a room may be held.
func (s *session) disconnectLost() {
	s.Disconnect(wire.DisconnectInsufficientState)
	s.d.hub.Post(func() { s.logRefusal("", wire.DisconnectInsufficientState) })
}

// refused sends the client the error of a command. It reports whether it has closed the connection.
func (s *session) refused(o *out, c *protocol.Command, err error) bool {
	if err == nil {
		return false // most commands have no error, and the code below allocates
	}
	s.logRefusal(roomOf(c), err)
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
