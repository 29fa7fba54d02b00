package centrifuge

import (
	"net/http"
	"sync"
	"sync/atomic"

	"webim/netpoll"
	"webim/room"
	"webim/room/backend"
	"webim/room/wire"
)

// questions are the questions of a session to the backend. A session that has asked nothing, and keeps no header, has none.
type questions struct {
	conn   netpoll.Conn
	hub    *room.Hub
	header http.Header // of the handshake, as far as the backend wants it

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

func newQuestions(c netpoll.Conn, hub *room.Hub) *questions {
	return &questions{conn: c, hub: hub, header: http.Header{}}
}

// errGone is the answer to a question of a connection that has ended. No client ever gets it.
const errGone = wire.DisconnectCode(3000) // the protocol's code for a closed connection

// heldQuestion is a waiting question.
type heldQuestion struct {
	ask  func()
	done func(backend.Reply, error)
}

// none reports whether no question is under way or waits. a may be nil, as in askNext.
func (a *questions) none() bool {
	if a == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.underWay+len(a.waiting)+len(a.queue) == 0
}

// ask calls ask, which asks the backend: now, or when earlier questions are answered and the client has read most of the
// answers. The caller calls answered when it has dealt with the answer. If the connection ends before ask is called, done
// gets errGone.
func (a *questions) ask(ask func(), done func(backend.Reply, error)) {
	a.mu.Lock()
	if a.underWay == MaxQuestions || len(a.waiting) > 0 {
		a.waiting = append(a.waiting, heldQuestion{ask, done})
		if a.release == nil {
			a.release = a.conn.Later() // so only the commands of one message can wait
		}
		a.mu.Unlock()
		return
	}
	a.underWay++
	a.mu.Unlock()
	ask()
}

// answered notes the answer to a question.
func (a *questions) answered() {
	a.mu.Lock()
	a.underWay--
	a.mu.Unlock()
	a.askNext()
}

// askNext asks the waiting questions. It asks none while the connection's queue is full, because an
// answer may be large: so the queue holds at most the answers to MaxQuestions questions beyond its
// bound. Dialect.Drained and session.close call askNext again.
func (a *questions) askNext() {
	if a == nil {
		return
	}
	for {
		var ask, release func()
		var gone []heldQuestion
		a.mu.Lock()
		if !a.conn.Exists() {
			gone, a.waiting = a.waiting, nil // there is no client for the answers
		}
		if len(a.waiting) > 0 && a.underWay < MaxQuestions && !a.conn.Crowded() {
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
func (a *questions) inOrder(f func(next func())) {
	a.mu.Lock()
	a.queue = append(a.queue, f)
	first := len(a.queue) == 1
	if first {
		a.done = a.conn.Later()
	}
	a.mu.Unlock()
	if first {
		f(a.nextInOrder)
	}
}

func (a *questions) nextInOrder() {
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
	a.hub.Post(func() { f(a.nextInOrder) })
}
