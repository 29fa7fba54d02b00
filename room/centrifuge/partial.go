package centrifuge

import (
	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room/policy"
	"webim/room/wire"
)

// A client that subscribes to a hundred rooms in one message gets a hundred histories, which may be
// more than its queue holds, however fast it reads. Such a client must not count as slow. So the
// session handles a message in as many parts as necessary: the remaining commands wait, as bytes, until
// the client has read most of the replies.
//
// The session handles a command only while the connection's queue is below its high watermark. The
// queue then takes the reply, regardless of its size: see netpoll.Conn.Reply. Pongs have no reply and
// never wait.
//
// The commands after a connect command wait in the same way until it is answered. netpoll counts the
// bytes of waiting commands (MaxUnfinished).
//
// An engine over a network answers later, when the queue may be full. So a connection has one large
// reply under way at a time: the next command that may have a large reply waits for it. The answers of
// a backend also come later and may be large. At most MaxQuestions of them are under way, and the
// session asks no further question while the queue is full (askNext). The queue takes all of these
// even beyond its bound, so no client counts as slow because of replies that it has asked for.

// hold stops a message before a command if the command's reply might not fit into the connection's
// queue, and reports whether it has. taken is the number of commands before that command, and left the
// number of bytes from it on.
func (s *session) hold(method wire.Method, c *protocol.Command, taken, left int) bool {
	if method == wire.Pong {
		return false
	}
	isLarge := s.isLarge(method, c)
	if under := s.large.Load(); isLarge && under != nil && under.wait(s.conn) {
		s.partial = &partialBatch{count: taken, left: left}
		return true
	}
	if s.conn.Crowded() { // checked last: a reply that was finished meanwhile is in the queue now
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
	return method == wire.Subscribe && c.Subscribe.Recover || s.classOf(method, c) == policy.ClassRead
}

var replied = func() {}

// wait keeps a message until the reply was sent. It returns false if it was sent already.
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

// replied notes that the reply to a command was sent.
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

// wait keeps the rest of a message and all later messages until done is called.
func (s *session) wait(all *wire.Commands) (done func()) {
	if len(all.Rest()) == 0 {
		return s.conn.Later()
	}
	s.partial = &partialBatch{count: all.Taken(), left: len(all.Rest())}
	return s.conn.Again()
}

// unhandled returns the part of a message that was not handled before.
func (s *session) unhandled(message []byte) []byte {
	if s.partial == nil {
		return message
	}
	return message[len(message)-min(s.partial.left, len(message)):]
}

// skipHandled skips the handled commands of a message that netpoll brings again.
func (s *session) skipHandled(all *wire.Commands) {
	if s.partial != nil {
		all.Skip(s.partial.count, s.partial.left)
		s.partial = nil
	}
}
