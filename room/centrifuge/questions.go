package centrifuge

import (
	"cmp"
	"net/http"
	"sync"
	"sync/atomic"

	"webim/netpoll"
	"webim/room"
	"webim/room/budget"
	"webim/room/wire"
)

// questions are the questions of a session to the backend. A session without a backend has none.
type questions struct {
	header http.Header

	admitted   atomic.Bool // HookConnect let it in, and HookRefresh is asked when that ends
	refreshing atomic.Bool // it is being asked

	mu    sync.Mutex
	queue []func(next func()) // calls that keep the order of their commands
	done  func()              // reads the connection again; nil: it is read

	underWay int            // questions that the backend has
	waiting  []heldQuestion // questions that it does not have yet
	release  func()         // reads the connection again when no question waits any more
}

// MaxQuestions is how many questions of one connection a backend is asked at the same time:
// else a connection that joins all its rooms at once would take the places of all others.
const MaxQuestions = 16

// keepHeaders keeps those headers of a handshake that the backend wants.
func (s *session) keepHeaders(r *netpoll.Request) {
	b := s.cfg().Backend
	if b == nil {
		return
	}
	s.questions = &questions{header: http.Header{}}
	for _, name := range b.Headers() {
		if value := r.Header(name); value != "" {
			s.questions.header.Set(name, value)
		}
	}
}

// errGone answers a question of a connection that has ended.
var errGone = wire.DisconnectConnectionClosed

// heldQuestion is a question that waits.
type heldQuestion struct {
	ask  func()
	done func(room.HookReply, error)
}

// ask asks the backend for the session: now, or when earlier questions are answered and the
// client has taken most of the answers. If the connection is gone before, done gets errGone.
func (s *session) ask(q room.HookRequest, done func(room.HookReply, error)) {
	who := s.Identity()
	if q.Hook != room.HookRefresh {
		q.Payer = cmp.Or(s.Payer(), budget.Addr(room.AddressOf(s.conn)))
	}
	q.Client, q.Encoding, q.Header, q.User, q.Meta = s.ClientID(), s.enc, s.questions.header, who.User, who.Meta
	ask := func() {
		s.cfg().Backend.Ask(q, func(a room.HookReply, err error) {
			done(a, err)
			s.answered() // the reply that done made is in the queue now
		})
	}
	a := s.questions
	a.mu.Lock()
	if a.underWay == MaxQuestions || len(a.waiting) > 0 {
		a.waiting = append(a.waiting, heldQuestion{ask, done})
		if a.release == nil {
			a.release = s.conn.Later() // so no more than the commands of one message wait
		}
		a.mu.Unlock()
		return
	}
	a.underWay++
	a.mu.Unlock()
	ask()
}

// answered notes that a question is answered.
func (s *session) answered() {
	s.questions.mu.Lock()
	s.questions.underWay--
	s.questions.mu.Unlock()
	s.askNext()
}

// askNext asks the questions that have waited. None is asked while the queue of the
// connection is full, because its answer may be large: so a client can make no more wait than
// the answers to MaxQuestions questions. Dialect.Drained and the end of the connection call
// askNext again.
func (s *session) askNext() {
	a := s.questions
	for {
		var ask, release func()
		var gone []heldQuestion
		a.mu.Lock()
		if !s.conn.Exists() {
			gone, a.waiting = a.waiting, nil // nobody would hear of it
		}
		if len(a.waiting) > 0 && a.underWay < MaxQuestions && !s.conn.Crowded() {
			ask = a.waiting[0].ask
			a.waiting[0] = heldQuestion{}
			a.waiting = a.waiting[1:]
			a.underWay++
		}
		if len(a.waiting) == 0 {
			release, a.release = a.release, nil
		}
		a.mu.Unlock()
		for _, q := range gone {
			q.done(room.HookReply{}, errGone)
		}
		if release != nil {
			release()
		}
		if ask == nil {
			return
		}
		ask()
	}
}

// inOrder calls f when the calls before it have called next. Meanwhile the connection is
// not read, so no more than the commands of one message wait.
func (s *session) inOrder(f func(next func())) {
	a := s.questions
	a.mu.Lock()
	a.queue = append(a.queue, f)
	first := len(a.queue) == 1
	if first {
		a.done = s.conn.Later()
	}
	a.mu.Unlock()
	if first {
		f(s.nextInOrder)
	}
}

func (s *session) nextInOrder() {
	a := s.questions
	a.mu.Lock()
	a.queue[0] = nil
	a.queue = a.queue[1:]
	if len(a.queue) == 0 {
		done := a.done
		a.queue, a.done = nil, nil
		a.mu.Unlock()
		done()
		return
	}
	f := a.queue[0]
	a.mu.Unlock()
	s.d.hub.Post(func() { f(s.nextInOrder) })
}
