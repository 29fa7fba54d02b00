package centrifuge

import (
	"errors"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// connectBy asks the backend who connects.
func (k *connecting) connectBy() {
	k.s.ask(room.Inquiry{Hook: room.HookConnect, Data: k.req.Data, Name: k.req.Name, Version: k.req.Version, Channels: names(k.req.Subs)},
		func(a room.Answer, err error) {
			k.s.d.hub.Post(func() {
				switch {
				case err == room.ErrNoAnswer:
					k.withoutToken()
					return
				case err != nil:
					k.err = err
				case a.Expired:
					k.err = wire.ErrExpired
				case room.IsGuest(a.User):
					k.s.d.hub.LogToken("connection", room.ErrTokenGuest)
					k.err = wire.DisconnectInvalidToken // that is nobody but guests
				default:
					k.who = &token.Identity{User: a.User, Expires: a.Expires, Info: a.Info, Meta: a.Meta, Channels: a.Channels, IssuedAt: time.Now()}
					k.data = a.Data
					k.s.asking.admitted.Store(true)
					k.join()
					return
				}
				k.settle()
			})
		})
}

func names(subs map[string]*protocol.SubscribeRequest) (all []string) {
	for name := range subs {
		all = append(all, name)
	}
	return all
}

// subscribeBy asks the backend whether the session may join a room; without an
// answer the rights say it.
func (s *session) subscribeBy(id uint32, r *protocol.SubscribeRequest, opts *room.Options) error {
	wish, err := s.wish(r.Channel)
	if err != nil {
		return err
	}
	s.ask(room.Inquiry{Hook: room.HookSubscribe, Room: r.Channel, Data: r.Data}, func(a room.Answer, err error) {
		s.d.hub.Post(func() {
			switch err := s.stands(wish, err); {
			case err == room.ErrNoAnswer:
				if err := s.subscribeByRights(id, r, opts, s.mayJoin(r.Channel, opts, false)); err != nil {
					s.fail(id, err)
				}
			case err != nil:
				s.fail(id, err)
			case a.Expired:
				s.fail(id, wire.ErrExpired)
			case wire.Admit(s.enc, opts.Binary) != nil:
				s.Disconnect(wire.DisconnectInappropriateProtocol)
			default:
				t := &token.Subscription{Channel: r.Channel, Info: a.Info, Expires: a.Expires}
				s.joinWith(id, r, room.Overridden(a.Override, opts), t, 0, a.Data, true)
			}
		})
	})
	return nil
}

// publishBy asks the backend whether the session may say something, or what it
// says instead; without an answer the rights say it.
func (s *session) publishBy(id uint32, r *protocol.PublishRequest) {
	what := room.Saying{Room: r.Channel, Data: append([]byte(nil), r.Data...)}
	s.AskPublish(what, func() error { return s.d.hub.CheckRights(s, room.ActSend, what.Room) }, func(what room.Saying, err error) {
		if err != nil {
			s.fail(id, err)
			return
		}
		s.d.hub.Say(s, what, func(_ engine.Position, err error) { s.Published(id, err) })
	})
}

// AskPublish implements Session: it has the backend judge what the session wants to say, or, without an
// answer, rights. then gets what to say. It is not asked about what was said before:
// that is ErrRepeated. The order of what a client says is kept: one after the other
// is called, by an errand.
func (s *session) AskPublish(what room.Saying, rights func() error, then func(room.Saying, error)) {
	s.inOrder(func(next func()) {
		s.d.hub.Recall(s, what, func(_ engine.Position, known bool, _ error) {
			if known {
				s.d.hub.Post(func() {
					defer next()
					then(what, engine.ErrRepeated)
				})
				return
			}
			s.ask(room.Inquiry{Hook: room.HookPublish, Room: what.Room, Data: what.Data}, func(a room.Answer, err error) {
				s.d.hub.Post(func() {
					defer next()
					if err == room.ErrNoAnswer {
						err = rights()
					}
					what.Said = what.Data
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

// rpcBy has the backend answer a call.
func (s *session) rpcBy(id uint32, r *protocol.RPCRequest) {
	s.ask(room.Inquiry{Hook: room.HookRPC, Method: r.Method, Data: append([]byte(nil), r.Data...)}, func(a room.Answer, err error) {
		if err == room.ErrNoAnswer {
			err = wire.ErrNotAvailable
		}
		if err != nil {
			s.fail(id, err)
			return
		}
		s.answer(id, nil, &protocol.Reply{Rpc: &protocol.RPCResult{Data: a.Data}})
	})
}

// refreshBy asks the backend whether the connection is still good, instead of
// ending it; it reports whether that is so.
func (s *session) refreshBy() bool {
	if !s.refreshedByServer() || !s.d.hub.Asks(room.HookRefresh, "") {
		return false
	}
	if !s.conn.Exists() || s.asking.refreshing.Swap(true) {
		return true
	}
	s.ask(room.Inquiry{Hook: room.HookRefresh}, func(a room.Answer, err error) {
		s.asking.refreshing.Store(false)
		var end wire.DisconnectCode
		switch {
		case errors.As(err, &end):
			s.end(err)
		case s.mayAskAgain(err):
			s.d.hub.At(time.Now().Add(time.Second), s.look)
		case err != nil || a.Expired: // whatever the policy: a right that has ended needs a yes
			s.noteRefusal(nil, wire.DisconnectExpired)
			s.Disconnect(wire.DisconnectExpired)
		default:
			s.refreshed(engine.ControlMessage{Kind: engine.ControlRefresh, Expires: a.Expires, Info: a.Info})
		}
	})
	return true
}

// mayAskAgain reports whether the backend, which gave no answer, is asked again:
// while the grace lasts that a client would have.
func (s *session) mayAskAgain(err error) bool {
	silent := errors.Is(err, wire.ErrInternal) || errors.Is(err, wire.ErrTooManyRequests)
	end := s.dueAt(s.Identity().Expires, false) // zero: meanwhile the server API has refreshed it
	return silent && (end.IsZero() || time.Now().Before(end))
}
