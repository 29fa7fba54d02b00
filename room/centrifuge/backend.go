package centrifuge

import (
	"cmp"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/policy"
	"webim/room/wire"
)

// keepHeaders stores the headers of a handshake that the backend wants.
func (s *session) keepHeaders(r *netpoll.Request) {
	b := s.cfg().Backend
	if b == nil {
		return
	}
	for _, name := range b.Headers() {
		if value := r.Header(name); value != "" {
			s.askedOf().header.Set(name, value)
		}
	}
}

// askedOf returns the questions of the session, which it makes if there are none.
func (s *session) askedOf() *questions {
	if q := s.questions.Load(); q != nil {
		return q
	}
	s.questions.CompareAndSwap(nil, newQuestions(s.conn, s.d.hub))
	return s.questions.Load()
}

// ask asks the backend a question: now, or when earlier questions are answered and the client has read
// most of the answers. If the connection ends before that, done gets errGone.
func (s *session) ask(q backend.Request, done func(backend.Reply, error)) {
	who, all := s.Identity(), s.askedOf()
	if q.Hook != backend.HookRefresh {
		q.Payer = cmp.Or(s.Payer(), budget.Addr(identity.AddressOf(s.conn)))
	}
	q.Client, q.Encoding, q.Header, q.User, q.Meta = s.ClientID(), s.enc, all.header, who.User, who.Meta
	all.ask(func() {
		s.cfg().Backend.Ask(q, func(a backend.Reply, err error) {
			done(a, err)
			all.answered() // after done has queued the reply
		})
	}, done)
}

// publishByBackend asks the backend whether the session may publish, and with which data. If the backend
// gives no answer, the rights decide.
func (s *session) publishByBackend(id uint32, r *protocol.PublishRequest) {
	what := room.SessionMessage{Room: r.Channel, Data: append([]byte(nil), r.Data...)}
	s.AskPublish(what, func() error {
		return s.d.hub.Judge().Refusal(s.d.hub.Judge().Session(s, policy.ActSend, what.Room, false))
	}, func(what room.SessionMessage, err error) {
		if err != nil {
			s.fail(id, what.Room, err)
			return
		}
		s.d.hub.PublishAs(s, what, func(_ engine.Position, err error) { s.Published(id, err) })
	})
}

// AskPublish implements Session. The backend decides about a message of the session, and may replace
// its data. If the backend gives no answer, rights decides. AskPublish calls then with the message
// and the decision. For a message that was published before, it does not ask the backend, and the
// error is ErrRepeated. The messages of a client keep their order: the next question waits until then
// has returned.
func (s *session) AskPublish(what room.SessionMessage, rights func() error, then func(room.SessionMessage, error)) {
	s.askedOf().inOrder(func(next func()) {
		s.d.hub.LookUpKey(s, what, func(_ engine.Position, known bool, _ error) {
			if known {
				s.d.hub.Post(func() {
					defer next()
					then(what, engine.ErrRepeated)
				})
				return
			}
			s.ask(backend.Request{Hook: backend.HookPublish, Room: what.Room, Data: what.Data}, func(a backend.Reply, err error) {
				s.d.hub.Post(func() {
					defer next()
					if err == backend.ErrNoAnswer {
						err = rights()
					}
					what.Original = what.Data
					if err == nil && a.Data != nil {
						what.Data = a.Data
					}
					what.Skip = what.Skip || a.Skip
					then(what, err)
				})
			})
		})
	})
}

// rpcByBackend asks the backend for the answer to a call.
func (s *session) rpcByBackend(id uint32, r *protocol.RPCRequest) {
	s.ask(backend.Request{Hook: backend.HookRPC, Method: r.Method, Data: append([]byte(nil), r.Data...)}, func(a backend.Reply, err error) {
		if err == backend.ErrNoAnswer {
			err = wire.ErrNotAvailable
		}
		if err != nil {
			s.fail(id, "", err)
			return
		}
		s.answer(id, "", nil, &protocol.Reply{Rpc: &protocol.RPCResult{Data: a.Data}})
	})
}
