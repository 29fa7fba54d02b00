package centrifuge

import (
	"errors"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/judge"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// connectByBackend asks the backend for the identity of the client.
func (k *connecting) connectByBackend() {
	k.s.ask(backend.Request{Hook: backend.HookConnect, Data: k.req.Data, Name: k.req.Name, Version: k.req.Version, Channels: names(k.req.Subs)},
		func(a backend.Reply, err error) {
			k.s.d.hub.Post(func() {
				switch {
				case err == backend.ErrNoAnswer:
					k.withoutToken()
					return
				case err != nil:
					k.err = err
				case a.Expired:
					k.err = wire.ErrExpired
				case policy.IsGuest(a.User):
					k.s.d.hub.Judge().LogToken("connection", judge.ErrTokenGuest, identity.Logged(k.s.conn))
					k.err = wire.DisconnectInvalidToken // only guests have such names
				default:
					k.who = &token.Identity{User: a.User, Expires: a.Expires, Info: a.Info, Meta: a.Meta, Channels: a.Channels, IssuedAt: time.Now()}
					k.data = a.Data
					k.s.questions.admitted.Store(true)
					k.join()
					return
				}
				k.resolved()
			})
		})
}

func names(subs map[string]*protocol.SubscribeRequest) (all []string) {
	for name := range subs {
		all = append(all, name)
	}
	return all
}

// subscribeByBackend asks the backend whether the session may join a room. If the backend gives no
// answer, the rights decide.
func (s *session) subscribeByBackend(id uint32, r *protocol.SubscribeRequest, opts *policy.Options) error {
	pending, err := s.beginSubscribe(r.Channel)
	if err != nil {
		return err
	}
	s.ask(backend.Request{Hook: backend.HookSubscribe, Room: r.Channel, Data: r.Data}, func(a backend.Reply, err error) {
		s.d.hub.Post(func() {
			switch err := s.resolve(pending, err); {
			case err == backend.ErrNoAnswer:
				if err := s.subscribeByRights(id, r, opts, s.mayJoin(r.Channel, false)); err != nil {
					s.fail(id, r.Channel, err)
				}
			case err != nil:
				s.fail(id, r.Channel, err)
			case a.Expired:
				s.fail(id, r.Channel, wire.ErrExpired)
			case wire.Admit(s.enc, opts.Binary) != nil:
				s.fail(id, r.Channel, wire.DisconnectInappropriateProtocol)
			default:
				t := &token.Subscription{Channel: r.Channel, Info: a.Info, Expires: a.Expires}
				s.joinWith(id, r, opts.With(a.Override), t, 0, a.Data, true)
			}
		})
	})
	return nil
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
	s.inOrder(func(next func()) {
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

// refreshByBackend asks the backend whether the connection may stay after its end of validity. It
// returns false if no backend decides that: then the caller closes the connection.
func (s *session) refreshByBackend() bool {
	if !s.refreshedByServer() || !s.d.hub.Asks(backend.HookRefresh, "") {
		return false
	}
	if !s.conn.Exists() || s.questions.refreshing.Swap(true) {
		return true
	}
	s.ask(backend.Request{Hook: backend.HookRefresh}, func(a backend.Reply, err error) {
		s.questions.refreshing.Store(false)
		var end wire.DisconnectCode
		switch {
		case errors.As(err, &end):
			s.end(err)
		case s.mayAskAgain(err):
			s.d.hub.At(time.Now().Add(time.Second), s.checkExpiry)
		case err != nil || a.Expired: // even with hook_open: only an answer can prolong the connection
			s.logRefusal("", wire.DisconnectExpired)
			s.Disconnect(wire.DisconnectExpired)
		default:
			s.applyRefresh(engine.ControlMessage{Kind: engine.ControlRefresh, Expires: a.Expires, Info: a.Info})
		}
	})
	return true
}

// mayAskAgain reports whether the session may ask the backend again after an error that says nothing
// about the client. It may for as long as a client would have to bring a new token
// (Config.ExpiredGrace).
func (s *session) mayAskAgain(err error) bool {
	silent := errors.Is(err, wire.ErrInternal) || errors.Is(err, wire.ErrTooManyRequests)
	end := s.dueAt(s.Identity().Expires, false) // zero: meanwhile the server API has refreshed it
	return silent && (end.IsZero() || time.Now().Before(end))
}
