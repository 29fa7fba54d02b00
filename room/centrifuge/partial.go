package centrifuge

import (
	"sync/atomic"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room"
	"webim/room/wire"
)

// A client that comes back to a hundred rooms in one message gets a hundred histories. They
// may be more than its queue holds, however fast the client reads. That does not make it a
// slow client: the rest of its commands waits, as bytes, until the client has taken most of
// the replies. So a message is handled in as many parts as it needs.
//
// A command is handled only while the connection's queue is below its high watermark.
// The queue then takes the reply, whatever its size: see netpoll.Conn.Reply. Pongs
// have no reply and never wait.
//
// The commands behind a connect command wait in the same way while its answer takes time.
// netpoll counts the bytes that wait (MaxUnfinished).
//
// An engine over a network answers later, when the queue may be full. So a connection has
// one large reply under way at a time: the next command that may have a large reply waits
// for it. The answers of a backend come later, too, and may be large. At most MaxQuestions
// of them are under way, and no further question is asked while the queue is full
// (askNext). The queue takes all of these, beyond its bound if need be, so no client counts
// as slow because of replies that it has asked for.

// A partialBatch says which commands of a message are handled; the others wait.
type partialBatch struct {
	count   int    // commands that are handled
	left    int    // bytes of the others
	drained func() // makes netpoll bring the message again when the queue has drained; nil: something else does
}

// hold keeps a message from a command on if the command's reply might not fit into
// the connection's queue. taken is the number of commands before it, and left the number of
// bytes from it on.
func (s *session) hold(method wire.Method, c *protocol.Command, taken, left int) bool {
	if method == wire.Pong {
		return false
	}
	isLarge := s.isLarge(method, c)
	if under := s.large.Load(); isLarge && under != nil && under.wait(s.conn) {
		s.partial = &partialBatch{count: taken, left: left}
		return true
	}
	if s.conn.Crowded() { // after the above: a reply just made is in the queue now
		s.partial = &partialBatch{taken, left, s.conn.Again()}
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
	done atomic.Pointer[func()] // makes netpoll bring the message that waits; &replied: the reply is made
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

// wait keeps the rest of a message, and all later messages, until done is called.
func (s *session) wait(all *wire.Commands) (done func()) {
	if len(all.Rest()) == 0 {
		return s.conn.Later()
	}
	s.partial = &partialBatch{count: all.Taken(), left: len(all.Rest())}
	return s.conn.Again()
}

// unhandled is the rest of a message if a part of it was handled, else the whole message.
func (s *session) unhandled(message []byte) []byte {
	if s.partial == nil {
		return message
	}
	return message[len(message)-min(s.partial.left, len(message)):]
}

// skipHandled skips the handled commands of a message that comes again.
func (s *session) skipHandled(all *wire.Commands) {
	if s.partial != nil {
		all.Skip(s.partial.count, s.partial.left)
		s.partial = nil
	}
}
