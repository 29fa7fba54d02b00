package centrifuge

import (
	"errors"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// command handles one command, but connect. The error is nil, an ErrorCode to
// reply with, or a DisconnectCode.
func (s *session) command(o *out, method wire.Method, c *protocol.Command) error {
	if method == wire.Pong {
		return s.onPong()
	}
	if !s.connected.Load() {
		return wire.DisconnectBadRequest
	}
	of := s.classOf(method, c)
	if of == room.ClassRead && s.conn.Lost() {
		s.replied(c.Id)
		return nil // the client has hung up: it cannot read the reply
	}
	if err := s.d.hub.Allow(&s.Principal, of); err != nil {
		return err
	}
	if of == room.ClassRead {
		if err := s.d.hub.CheckDebt(&s.Principal, room.ClassRecovered); err != nil {
			return err
		}
	}
	if err := wire.Check(method, c); err != nil {
		return err
	}
	return s.handle(o, method, c)
}

// onPong charges a pong that answers no ping. The others cost nothing, because each idle
// client sends them. A pong has no reply, so no refusal is sent but the one that closes the
// connection.
func (s *session) onPong() error {
	if s.conn.AnswerPing() {
		return nil
	}
	if err := s.d.hub.Allow(&s.Principal, room.ClassOther); err == wire.DisconnectTooManyErrors {
		return err
	}
	return nil
}

// answersItself reports whether a command sends its reply by itself, not gathered with
// others. The gathered replies are sent before it, so that replies keep the order of their
// commands where no command waits, and so that hold sees how full the queue is.
func answersItself(method wire.Method) bool {
	switch method {
	case wire.Subscribe, wire.Publish, wire.History, wire.Presence, wire.PresenceStats, wire.RPC:
		return true
	}
	return false
}

func (s *session) handle(o *out, method wire.Method, c *protocol.Command) error {
	switch method {
	case wire.Subscribe:
		return s.onSubscribe(c.Id, c.Subscribe)
	case wire.Unsubscribe:
		return s.onUnsubscribe(o, c.Id, c.Unsubscribe)
	case wire.Publish:
		return s.onPublish(c.Id, c.Publish)
	case wire.History:
		return s.onHistory(c.Id, c.History)
	case wire.Presence:
		return s.onPresence(c.Id, c.Presence)
	case wire.PresenceStats:
		return s.onPresenceStats(c.Id, c.PresenceStats)
	case wire.Ping:
		o.reply(&protocol.Reply{Id: c.Id, Ping: &protocol.PingResult{}})
		return nil
	case wire.Send:
		return nil // a message to the server is dropped: the protocol has no reply to it
	case wire.Refresh:
		return s.onRefresh(c.Id, c.Refresh)
	case wire.SubRefresh:
		return s.onSubRefresh(c.Id, c.SubRefresh)
	case wire.RPC:
		return s.onRPC(o, c.Id, c.Rpc)
	}
	return wire.ErrMethodNotFound
}

func (s *session) onSubscribe(id uint32, r *protocol.SubscribeRequest) error {
	opts := s.d.hub.Options(r.Channel)
	if r.Token == "" {
		v := s.mayJoin(r.Channel, opts, true)
		switch v.Outcome {
		case policy.Deny:
			return s.d.hub.Refusal(v)
		case policy.AskBackend:
			return s.subscribeByBackend(id, r, opts)
		}
		return s.subscribeByRights(id, r, opts, v)
	}
	if v := s.d.hub.JudgeJoin(s, r.Channel, opts, policy.Membership{Ticket: true}); v.Outcome != policy.Allow {
		return s.d.hub.Refusal(v)
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
			s.fail(id, err)
			return
		}
		s.join(id, r, opts, t, 0)
	})
	return nil
}

// mayJoin judges whether the session may join a room, and read there.
func (s *session) mayJoin(name string, opts *room.Options, ask bool) room.Verdict {
	v := s.d.hub.JudgeSession(s, room.ActJoin, name, opts, ask)
	if v.Outcome == policy.Deny || v.Outcome == policy.AskBackend {
		return v
	}
	if read := s.d.hub.JudgeSession(s, room.ActRead, name, opts, false); read.Outcome == policy.Deny {
		return read
	}
	return v
}

// subscribeByRights makes the subscription that a verdict of the rights allows or, in a
// private room, the roster.
func (s *session) subscribeByRights(id uint32, r *protocol.SubscribeRequest, opts *room.Options, v room.Verdict) error {
	if v.Outcome == policy.Deny {
		return s.d.hub.Refusal(v)
	}
	if err := wire.Admit(s.enc, opts.Binary); err != nil {
		return err
	}
	if v.Outcome == policy.Allow && !room.IsRoster(r.Channel) {
		s.join(id, r, opts, nil, 0)
		return nil
	}
	pending, err := s.beginSubscribe(r.Channel)
	if err != nil {
		return err
	}
	s.onRoster(r.Channel, func(roles room.Roles, err error) {
		if err = s.resolve(pending, err); err != nil {
			s.fail(id, err)
			return
		}
		s.join(id, r, opts, nil, roles)
	})
	return nil
}

// flagRejectUnrecovered, of a subscribe command, asks for ErrUnrecoverablePosition
// instead of a subscription that has not recovered: the client then loads the room again,
// and comes with the position of that. webim has no feature that the other flags ask for;
// it does not mention them in its reply, which declines them.
const flagRejectUnrecovered = 2

// join is joinWith without data for the client.
func (s *session) join(id uint32, r *protocol.SubscribeRequest, opts *room.Options, t *token.Subscription, roles room.Roles) {
	s.joinWith(id, r, opts, t, roles, nil, false)
}

// joinWith makes the subscription that a command asks for. t is its token, or nil; roles are
// those that the room's roster adds; data go to the client with the reply. byServer: t is
// the backend's answer, and no token of the client.
func (s *session) joinWith(id uint32, r *protocol.SubscribeRequest, opts *room.Options, t *token.Subscription, roles room.Roles, data []byte, byServer bool) {
	if t != nil {
		opts = room.Overridden(room.OverrideOf(t.Override), opts)
	}
	w := &subscription{room: r.Channel, opts: opts, roles: roles, byServer: byServer, notices: opts.Notices && (r.JoinLeave || opts.ForceNotices)}
	w.placed = opts.Recoverable && (opts.Recover || r.Recoverable || r.Positioned || r.Recover)
	if r.Recover && !s.conn.Lost() {
		w.since, w.strict = &engine.Position{Epoch: r.Epoch, Offset: r.Offset}, r.Flag&flagRejectUnrecovered != 0
	}
	if t != nil {
		w.info, w.expires, w.grants, w.id, w.issued = t.Info, t.Expires, t.Grants, t.ID, t.IssuedAt
	}
	s.subscribe(w, func(got room.Recovery, err error) {
		res := resultOf(got, w.placed, r.Recover, s.enc)
		res.Expires, res.Ttl = ttlOf(w.expires, byServer)
		res.Data = data
		if err == nil {
			s.checkBy(s.dueAt(w.expires, byServer))
			if t == nil && room.IsRoster(w.room) {
				s.checkRoster(w.room)
			}
		}
		s.answer(id, err, &protocol.Reply{Subscribe: res})
	})
}

// fail ends a command that had to wait: with a DisconnectCode, an ErrorCode, or
// ErrInternal for any other error.
func (s *session) fail(id uint32, err error) {
	var end wire.DisconnectCode
	if errors.As(err, &end) {
		s.logRefusal(nil, err)
		s.end(err)
		return
	}
	s.answer(id, err, nil)
}

// answer replies by itself, from any goroutine: with the error, if there is
// one.
func (s *session) answer(id uint32, err error, r *protocol.Reply) {
	if err != nil {
		s.d.hub.LogInternal(err, "a command that was answered later")
		s.logRefusal(nil, err)
		r = wire.ErrorReply(id, err)
	}
	r.Id = id
	o := takeOut(s)
	o.reply(r)
	o.give()
	s.replied(id)
}

func (s *session) onUnsubscribe(o *out, id uint32, r *protocol.UnsubscribeRequest) error {
	s.unsubscribe(r.Channel)
	o.reply(&protocol.Reply{Id: id, Unsubscribe: &protocol.UnsubscribeResult{}})
	return nil
}

func (s *session) onPublish(id uint32, r *protocol.PublishRequest) error {
	v := s.d.hub.JudgeSession(s, room.ActSend, r.Channel, s.d.hub.Options(r.Channel), true)
	switch v.Outcome {
	case policy.Deny:
		return s.d.hub.Refusal(v)
	case policy.AskBackend:
		s.publishByBackend(id, r)
		return nil
	}
	s.d.hub.PublishCommand(s, id, v, room.SessionMessage{Room: r.Channel, Data: r.Data})
	return nil
}

// Published implements Session: it replies to a publish command.
func (s *session) Published(id uint32, err error) {
	if err != nil {
		s.answer(id, err, nil)
		return
	}
	o := takeOut(s)
	o.b = wire.AppendPublished(o.b, s.enc, id)
	o.give()
	s.replied(id)
}

func (s *session) onHistory(id uint32, r *protocol.HistoryRequest) error {
	opts := s.d.hub.Options(r.Channel)
	if err := s.d.hub.CheckAction(s, room.ActHistory, r.Channel, opts); err != nil {
		return err
	}
	if err := wire.Admit(s.enc, opts.Binary); err != nil {
		return err
	}
	q := room.HistoryQuery{Limit: int(r.Limit), Reverse: r.Reverse, Bytes: s.cfg().MaxReply}
	if r.Since != nil {
		q.Since = &engine.Position{Epoch: r.Since.Epoch, Offset: r.Since.Offset}
	}
	s.d.hub.History(r.Channel, q, func(h engine.History, err error) {
		s.d.hub.ChargeHistory(&s.Principal, h)
		res := &protocol.HistoryResult{Epoch: h.Top.Epoch, Offset: h.Top.Offset,
			Publications: make([]*protocol.Publication, 0, len(h.Publications))} // never nil, which JSON writes as null
		for _, p := range h.Publications {
			if pub, ok := room.ProtocolPublication(&p, s.enc); ok {
				res.Publications = append(res.Publications, pub)
			}
		}
		s.answer(id, err, &protocol.Reply{History: res})
	})
	return nil
}

func (s *session) onPresence(id uint32, r *protocol.PresenceRequest) error {
	if err := s.d.hub.CheckAction(s, room.ActPresence, r.Channel, s.d.hub.Options(r.Channel)); err != nil {
		return err
	}
	s.d.hub.Presence(r.Channel, func(all []engine.Author, err error) {
		s.d.hub.ChargePresence(&s.Principal, all)
		res := &protocol.PresenceResult{Presence: make(map[string]*protocol.ClientInfo, len(all))}
		for _, a := range all {
			res.Presence[a.Client] = room.ClientInfo(&a)
		}
		s.answer(id, err, &protocol.Reply{Presence: res})
	})
	return nil
}

func (s *session) onPresenceStats(id uint32, r *protocol.PresenceStatsRequest) error {
	if err := s.d.hub.CheckAction(s, room.ActPresence, r.Channel, s.d.hub.Options(r.Channel)); err != nil {
		return err
	}
	s.d.hub.PresenceStats(r.Channel, func(clients, users int, err error) {
		s.answer(id, err, &protocol.Reply{PresenceStats: &protocol.PresenceStatsResult{
			NumClients: uint32(clients), NumUsers: uint32(users)}})
	})
	return nil
}

// onRPC answers a call, or makes it o.call, which the caller is to begin.
func (s *session) onRPC(o *out, id uint32, r *protocol.RPCRequest) error {
	var known bool
	if o.call, known = s.d.hub.NewCall(s, id, r.Method, r.Data); known {
		return nil
	}
	if s.d.hub.Asks(room.HookRPC, "") {
		s.rpcByBackend(id, r)
		return nil
	}
	return wire.ErrNotAvailable
}

// Answer implements Session: it replies to an RPC.
func (s *session) Answer(id uint32, data []byte, err error) {
	if err != nil {
		s.fail(id, err)
		return
	}
	s.answer(id, nil, &protocol.Reply{Rpc: &protocol.RPCResult{Data: data}})
}
