package centrifuge

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"webim/netpoll"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/identity"
	"webim/room/wire"
)

// questions are the questions of a session to the backend. A session without a backend has none.
type questions struct {
	header http.Header

	admitted   atomic.Bool // HookConnect has admitted the client, so HookRefresh decides when that expires
	refreshing atomic.Bool // a question of HookRefresh is under way

	mu    sync.Mutex
	queue []func(next func()) // calls that keep the order of their commands
	done  func()              // makes netpoll read the connection again; nil if it does

	underWay int            // the number of questions at the backend
	waiting  []heldQuestion // questions to ask later
	release  func()         // makes netpoll read the connection again when no question waits; nil if it does
}

// MaxQuestions is the maximum of questions of one connection under way. Without it, a connection that
// joins all its rooms at once could use up the concurrent requests of a hook.
const MaxQuestions = 16

func newQuestions() *questions { return &questions{header: http.Header{}} }

// keepHeaders stores the headers of a handshake that the backend wants.
func (s *session) keepHeaders(r *netpoll.Request) {
	b := s.cfg().Backend
	if b == nil {
		return
	}
	s.questions = newQuestions()
	for _, name := range b.Headers() {
		if value := r.Header(name); value != "" {
			s.questions.header.Set(name, value)
		}
	}
}

// errGone is the answer to a question of a connection that has ended. No client ever gets it.
const errGone = wire.DisconnectCode(3000) // the protocol's code for a closed connection

// heldQuestion is a waiting question.
type heldQuestion struct {
	ask  func()
	done func(backend.Reply, error)
}

// IsQuiet implements room.Session.
func (s *session) IsQuiet() bool {
	if s.awaited.Load() > 0 || s.questions != nil && !s.questions.none() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pendingSubs == nil && !slices.ContainsFunc(s.subs, func(one sub) bool { return one.pending != nil })
}

// AsksBackend implements room.Session.
func (s *session) AsksBackend() bool { return s.questions != nil && !s.questions.none() }

// none reports whether no question is under way or waits.
func (a *questions) none() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.underWay+len(a.waiting)+len(a.queue) == 0
}

// ask asks the backend a question: now, or when earlier questions are answered and the client has read
// most of the answers. If the connection ends before that, done gets errGone.
func (s *session) ask(q backend.Request, done func(backend.Reply, error)) {
	who := s.Identity()
	if q.Hook != backend.HookRefresh {
		q.Payer = cmp.Or(s.Payer(), budget.Addr(identity.AddressOf(s.conn)))
	}
	q.Client, q.Encoding, q.Header, q.User, q.Meta = s.ClientID(), s.enc, s.questions.header, who.User, who.Meta
	ask := func() {
		s.cfg().Backend.Ask(q, func(a backend.Reply, err error) {
			done(a, err)
			s.answered() // after done has queued the reply
		})
	}
	a := s.questions
	a.mu.Lock()
	if a.underWay == MaxQuestions || len(a.waiting) > 0 {
		a.waiting = append(a.waiting, heldQuestion{ask, done})
		if a.release == nil {
			a.release = s.conn.Later() // so only the commands of one message can wait
		}
		a.mu.Unlock()
		return
	}
	a.underWay++
	a.mu.Unlock()
	ask()
}

// answered notes the answer to a question.
func (s *session) answered() {
	s.questions.mu.Lock()
	s.questions.underWay--
	s.questions.mu.Unlock()
	s.askNext()
}

// askNext asks the waiting questions. It asks none while the connection's queue is full, because an
// answer may be large: so the queue holds at most the answers to MaxQuestions questions beyond its
// bound. Dialect.Drained and session.close call askNext again.
func (s *session) askNext() {
	a := s.questions
	for {
		var ask, release func()
		var gone []heldQuestion
		a.mu.Lock()
		if !s.conn.Exists() {
			gone, a.waiting = a.waiting, nil // there is no client for the answers
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
			q.done(backend.Reply{}, errGone)
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

// inOrder calls f after all earlier calls have called next. Meanwhile netpoll does not read the
// connection, so only the commands of one message can wait.
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
