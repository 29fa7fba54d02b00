package centrifuge

import (
	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/policy"
	"webim/room/wire"
)

// command handles one command other than connect. The error is nil, an ErrorCode for the reply, or a
// DisconnectCode.
func (s *session) command(o *out, method wire.Method, c *protocol.Command) error {
	if method == wire.Pong {
		return s.onPong()
	}
	if !s.Connected() {
		return wire.DisconnectBadRequest
	}
	if err := s.d.hub.CheckMoved(); err != nil {
		return err
	}
	of := s.classOf(method, c)
	if of == policy.ClassRead && s.conn.Lost() {
		s.replied(c.Id)
		return nil // the client has hung up: it cannot read the reply
	}
	if err := s.d.hub.Meter().Allow(&s.Usage, of); err != nil {
		return err
	}
	if of == policy.ClassRead {
		if err := s.d.hub.Meter().CheckDebt(&s.Usage, policy.ClassRecovered); err != nil {
			return err
		}
	}
	if err := wire.Check(method, c); err != nil {
		return err
	}
	if !answersLater(method) {
		return s.handle(o, method, c)
	}
	s.awaited.Add(1)
	err := s.handle(o, method, c)
	if err != nil {
		s.awaited.Add(-1)
	}
	return err
}

// onPong charges a pong that answers no ping. A pong that answers one costs nothing, because each idle
// client sends it. A pong has no reply, so the only refusal is to close the connection.
func (s *session) onPong() error {
	if s.conn.AnswerPing() {
		return nil
	}
	if err := s.d.hub.Meter().Allow(&s.Usage, policy.ClassOther); err == wire.DisconnectTooManyErrors {
		return err
	}
	return nil
}

// answersItself reports whether a command sends its reply in a message of its own, instead of adding it
// to the collected ones. The session sends the collected replies before such a command. So replies
// keep the order of their commands unless a command waits, and hold sees how full the queue is.
func answersItself(method wire.Method) bool {
	switch method {
	case wire.Subscribe, wire.Publish, wire.History, wire.Presence, wire.PresenceStats, wire.RPC:
		return true
	}
	return false
}

// answersLater reports whether a command that is not refused may be answered later, by session.answer, Published or fail.
func answersLater(method wire.Method) bool {
	return answersItself(method) || method == wire.Refresh || method == wire.SubRefresh
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

func (s *session) onUnsubscribe(o *out, id uint32, r *protocol.UnsubscribeRequest) error {
	s.unsubscribe(r.Channel)
	o.reply(&protocol.Reply{Id: id, Unsubscribe: &protocol.UnsubscribeResult{}})
	return nil
}

func (s *session) onPublish(id uint32, r *protocol.PublishRequest) error {
	v := s.d.hub.Judge().Session(s, policy.ActSend, r.Channel, true)
	switch v.Outcome {
	case policy.Deny:
		return s.d.hub.Judge().Refusal(v)
	case policy.AskBackend:
		s.publishByBackend(id, r)
		return nil
	}
	s.d.hub.PublishCommand(s, id, v, room.SessionMessage{Room: r.Channel, Data: r.Data})
	return nil
}

// check returns an error for the client if the rights do not permit an action about which neither the
// backend nor a roster decides.
func (s *session) check(a policy.Action, name string) error {
	return s.d.hub.Judge().Refusal(s.d.hub.Judge().Session(s, a, name, true))
}

func (s *session) onHistory(id uint32, r *protocol.HistoryRequest) error {
	opts := s.d.hub.Options(r.Channel)
	if err := s.check(policy.ActHistory, r.Channel); err != nil {
		return err
	}
	if err := wire.Admit(s.enc, opts.Binary); err != nil {
		return err
	}
	q := room.HistoryQuery{Limit: int(r.Limit), Reverse: r.Reverse, Bytes: s.cfg().MaxReply, Payer: s.Payer()}
	if r.Since != nil {
		q.Since = &engine.Position{Epoch: r.Since.Epoch, Offset: r.Since.Offset}
	}
	s.d.hub.History(r.Channel, q, func(h engine.History, err error) {
		s.d.hub.Meter().ChargeHistory(&s.Usage, h)
		res := &protocol.HistoryResult{Epoch: h.Top.Epoch, Offset: h.Top.Offset,
			Publications: make([]*protocol.Publication, 0, len(h.Publications))} // never nil, which JSON writes as null
		for _, p := range h.Publications {
			if pub, ok := encode.Protocol(&p, s.enc); ok {
				res.Publications = append(res.Publications, pub)
			}
		}
		s.answer(id, r.Channel, err, &protocol.Reply{History: res})
	})
	return nil
}

func (s *session) onPresence(id uint32, r *protocol.PresenceRequest) error {
	if err := s.check(policy.ActPresence, r.Channel); err != nil {
		return err
	}
	s.d.hub.Presence(r.Channel, func(all []engine.Author, err error) {
		s.d.hub.Meter().ChargePresence(&s.Usage, all)
		res := &protocol.PresenceResult{Presence: make(map[string]*protocol.ClientInfo, len(all))}
		for _, a := range all {
			res.Presence[a.Client] = encode.Author(&a)
		}
		s.answer(id, r.Channel, err, &protocol.Reply{Presence: res})
	})
	return nil
}

func (s *session) onPresenceStats(id uint32, r *protocol.PresenceStatsRequest) error {
	if err := s.check(policy.ActPresence, r.Channel); err != nil {
		return err
	}
	s.d.hub.PresenceStats(r.Channel, func(clients, users int, err error) {
		s.answer(id, r.Channel, err, &protocol.Reply{PresenceStats: &protocol.PresenceStatsResult{
			NumClients: uint32(clients), NumUsers: uint32(users)}})
	})
	return nil
}

// onRPC starts a chat call. It stores the call in o.call, and session.commands begins it.
func (s *session) onRPC(o *out, id uint32, r *protocol.RPCRequest) error {
	if calls := s.d.hub.Config().Calls; calls != nil {
		var known bool
		if o.call, known = calls.New(s, id, r.Method, r.Data); known {
			return nil
		}
	}
	if s.d.hub.Asks(backend.HookRPC, "") {
		s.rpcByBackend(id, r)
		return nil
	}
	return wire.ErrNotAvailable
}
