package centrifuge

import (
	"sync/atomic"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room"
	"webim/room/wire"
)

// Who comes back to a hundred rooms in one message is owed a hundred histories,
// which may be more than its queue holds, however fast it reads. It is not slow for
// that: the rest of its commands waits, as bytes, until the client has taken most of
// what it has been answered. So a message is handled in as many parts as it needs.
//
// A command is handled only while the connection's queue is below its high watermark.
// The queue then takes the reply, whatever its size: see netpoll.Conn.Reply. Pongs
// have no reply and are never held.

// What comes in one message with a connect command whose answer takes its time
// waits in the same way. netpoll counts what waits (MaxUnfinished).

// An engine over a network answers later, when the queue may be full. So a connection
// has one large reply under way at a time: the next command that may have one waits
// for it. A backend's answers come later, too, and may be large: of them as many are
// under way as a connection may ask at a time, and no further question is asked while
// the queue is full (askNext). The queue takes all of these, beyond its bound if need
// be, so nobody is slow for what it has asked for.

// handled are the first commands of a message whose others wait.
type handled struct {
	count   int
	left    int    // bytes of the others
	drained func() // has netpoll bring the message again; nil: what does is not the queue's to say
}

// hold keeps a message from a command on if the command's reply might not fit into
// the connection's queue. Before the command, taken commands were handled and left
// bytes of the message were not.
func (s *session) hold(method wire.Method, c *protocol.Command, taken, left int) bool {
	if method == wire.Pong {
		return false
	}
	isLarge := s.isLarge(method, c)
	if under := s.large.Load(); isLarge && under != nil && under.wait(s.conn) {
		s.handled = &handled{count: taken, left: left}
		return true
	}
	if s.conn.Crowded() { // after the above: a reply just made is in the queue now
		s.handled = &handled{taken, left, s.conn.Again()}
		return true
	}
	if isLarge {
		s.large.Store(&large{id: c.Id})
	}
	return false
}

// isLarge reports whether the reply to a command may be as large as Config.MaxReply.
func (s *session) isLarge(method wire.Method, c *protocol.Command) bool {
	if c == nil {
		return false
	}
	return method == wire.Subscribe && c.Subscribe.Recover || s.classOf(method, c) == room.ClassRead
}

// large is a command that makes a large reply.
type large struct {
	id   uint32
	done atomic.Pointer[func()] // has netpoll bring the message that waits; &replied: there is nothing to wait for
}

var replied = func() {}

// wait keeps a message until the reply is made; false if it is made.
func (l *large) wait(c netpoll.Conn) bool {
	if l.done.Load() == &replied {
		return false
	}
	done := c.Again()
	if !l.done.CompareAndSwap(nil, &done) {
		done()
	}
	return true
}

// replied notes that a command is answered.
func (s *session) replied(id uint32) {
	l := s.large.Load()
	if l == nil || l.id != id {
		return
	}
	s.large.CompareAndSwap(l, nil)
	if done := l.done.Swap(&replied); done != nil {
		(*done)()
	}
}

// wait keeps what is left of a message, and whatever comes behind it, until done is
// called.
func (s *session) wait(all *wire.Commands) (done func()) {
	if len(all.Rest()) == 0 {
		return s.conn.Later()
	}
	s.handled = &handled{count: all.Taken(), left: len(all.Rest())}
	return s.conn.Again()
}

// unhandled is what is left of a message of which a part was handled, or all of it.
func (s *session) unhandled(message []byte) []byte {
	if s.handled == nil {
		return message
	}
	return message[len(message)-min(s.handled.left, len(message)):]
}

// goOn passes over what is handled of a message that was held.
func (s *session) goOn(all *wire.Commands) {
	if s.handled != nil {
		all.Skip(s.handled.count, s.handled.left)
		s.handled = nil
	}
}
