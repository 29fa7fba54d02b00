package centrifuge

import (
	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

func (s *session) onSubscribe(id uint32, r *protocol.SubscribeRequest) error {
	opts := s.d.hub.Options(r.Channel)
	if r.Token == "" {
		v := s.mayJoin(r.Channel, true)
		switch v.Outcome {
		case policy.Deny:
			return s.d.hub.Judge().Refusal(v)
		case policy.AskBackend:
			return s.subscribeByBackend(id, r, opts)
		}
		return s.subscribeByRights(id, r, opts, v)
	}
	if err := s.d.hub.Judge().Refusal(s.judgeJoin(r.Channel, policy.Membership{Ticket: true})); err != nil {
		return err
	}
	if err := wire.Admit(s.enc, opts.Binary); err != nil {
		return err
	}
	pending, err := s.beginSubscribe(r.Channel)
	if err != nil {
		return err
	}
	s.subscription(r.Token, r.Channel, wire.ErrPermissionDenied, func(t *token.Subscription, err error) {
		if err = s.resolve(pending, err); err != nil {
			s.fail(id, r.Channel, err)
			return
		}
		s.join(id, r, opts, t, 0)
	})
	return nil
}

// subscribeByRights subscribes the session if the verdict of the rights allows it. In a private room,
// the roster must also allow it.
func (s *session) subscribeByRights(id uint32, r *protocol.SubscribeRequest, opts *policy.Options, v policy.Verdict) error {
	if v.Outcome == policy.Deny {
		return s.d.hub.Judge().Refusal(v)
	}
	if err := wire.Admit(s.enc, opts.Binary); err != nil {
		return err
	}
	if v.Outcome == policy.Allow && !policy.IsRoster(r.Channel) {
		s.join(id, r, opts, nil, 0)
		return nil
	}
	pending, err := s.beginSubscribe(r.Channel)
	if err != nil {
		return err
	}
	s.onRoster(r.Channel, func(roles policy.Roles, err error) {
		if err = s.resolve(pending, err); err != nil {
			s.fail(id, r.Channel, err)
			return
		}
		s.join(id, r, opts, nil, roles)
	})
	return nil
}

// flagRejectUnrecovered is a flag of a subscribe command. If the room cannot recover, the command then
// fails with ErrUnrecoverablePosition instead of subscribing; the client loads the room's state
// again, and subscribes with its position. webim does not have the features of the other flags: its
// reply does not mention them, which declines them.
const flagRejectUnrecovered = 2

// join is joinWith without data for the client, with a token of the client or none.
func (s *session) join(id uint32, r *protocol.SubscribeRequest, opts *policy.Options, t *token.Subscription, roles policy.Roles) {
	s.joinWith(id, r, opts, t, roles, nil, false)
}

// joinWith makes the subscription of a subscribe command. t is its token, or nil; roles are those of
// the room's roster; the reply carries data. If byServer is true, t is the answer of the backend
// instead of a token of the client.
func (s *session) joinWith(id uint32, r *protocol.SubscribeRequest, opts *policy.Options, t *token.Subscription, roles policy.Roles, data []byte, byServer bool) {
	if t != nil {
		opts = opts.With(policy.OverrideOf(t.Override))
	}
	w := &subscription{room: r.Channel, opts: opts, roles: roles, byServer: byServer, notices: opts.Notices && (r.JoinLeave || opts.ForceNotices)}
	w.placed = opts.Recoverable && (opts.Recover || r.Recoverable || r.Positioned || r.Recover)
	if r.Recover && !s.conn.Lost() {
		w.since, w.strict = &engine.Position{Epoch: r.Epoch, Offset: r.Offset}, r.Flag&flagRejectUnrecovered != 0
	}
	if t != nil {
		w.ticket = true
		w.info, w.expires, w.grants, w.id, w.issued = t.Info, t.Expires, t.Grants, t.ID, t.IssuedAt
	}
	s.subscribe(w, func(got room.Recovery, err error) {
		res := resultOf(got, w.placed, r.Recover, s.enc)
		res.Expires, res.Ttl = ttlOf(w.expires, byServer)
		res.Data = data
		if err == nil {
			s.checkBy(s.dueAt(w.expires, byServer))
			if t == nil && policy.IsRoster(w.room) {
				s.checkRoster(w.room)
			}
		}
		s.answer(id, w.room, err, &protocol.Reply{Subscribe: res})
	})
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
