package centrifuge

import (
	"time"

	"github.com/centrifugal/protocol"

	"webim/room/backend"
	"webim/room/identity"
	"webim/room/judge"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// connect handles the connect command. If wait is true, the reply comes later, and the commands after
// this one wait for it.
func (s *session) connect(o *out, c *protocol.Command, all *wire.Commands) (wait bool, err error) {
	if s.Connected() {
		return false, wire.DisconnectBadRequest
	}
	if err := s.d.hub.CheckMoved(); err != nil {
		return false, err
	}
	if err := s.d.hub.Meter().Allow(&s.Usage, policy.ClassRPC); err != nil {
		return false, err // a client may try again after an expired token, but verifying a token costs time
	}
	if err := wire.Check(wire.Connect, c); err != nil {
		return false, err
	}
	s.Identify(token.Anonymous) // a command before this one may have failed
	k := &connecting{s: s, id: c.Id, req: c.Connect}
	s.awaited.Add(1) // first: see mustConnect
	k.identify()
	if k.state.Load() == settled {
		defer s.awaited.Add(-1)
		return false, k.reply(o)
	}
	o.flush() // earlier replies come first
	k.release = s.wait(all)
	if !k.state.CompareAndSwap(underWay, held) {
		k.resume()
	}
	return true, nil
}

// identify finds out who the client is: by its token, or by the backend. The token of a guest says only that webim did not ask the
// backend before.
func (k *connecting) identify() {
	h := k.s.d.hub
	if h.Asks(backend.HookConnect, "") && (k.req.Token == "" || h.Judge().IsOfGuest(k.req.Token)) {
		k.connectByBackend()
		return
	}
	k.withoutBackend()
}

// withoutBackend finds out who the client is by its token. It admits a client without a token, as a guest or anonymously, if the
// settings allow it.
func (k *connecting) withoutBackend() {
	h := k.s.d.hub
	if k.req.Token != "" {
		h.Judge().VerifyToken(k.req.Token, func(who *token.Identity, err error) {
			if k.who, k.err = who, h.Judge().CheckToken(who, err, identity.Logged(k.s.conn)); k.err != nil {
				if who != nil { // it has expired, or was revoked: the flight recorder knows the user
					k.s.Identify(who)
				}
				k.resolved()
				return
			}
			k.join()
		})
		return
	}
	if !h.Config().Anonymous {
		h.Judge().LogTokenless(identity.Logged(k.s.conn))
		k.err = wire.DisconnectInvalidToken
		k.resolved()
		return
	}
	k.who = token.Anonymous
	if h.Config().Guests != nil {
		who, data, err := h.Config().Guests.Welcome(k.req.Data)
		if err != nil {
			k.err = err
			k.resolved()
			return
		}
		if who != nil {
			k.who, k.data = who, data
		}
	}
	k.join()
}

// connectByBackend asks the backend for the identity of the client.
func (k *connecting) connectByBackend() {
	k.s.ask(backend.Request{Hook: backend.HookConnect, Data: k.req.Data, Name: k.req.Name, Version: k.req.Version, Channels: names(k.req.Subs)},
		func(a backend.Reply, err error) {
			k.s.d.hub.Post(func() {
				switch {
				case err == backend.ErrNoAnswer:
					k.withoutBackend()
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
					k.s.askedOf().admitted.Store(true)
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
