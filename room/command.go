package room

import (
	"errors"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/room/wire"
)

// command handles one command. The error is nil, an ErrorCode that was not
// replied with yet, or a DisconnectCode.
func (s *session) command(o *out, method wire.Method, c *protocol.Command) error {
	if method == wire.Pong {
		return nil // netpoll has seen that something came
	}
	if s.connected.Load() == (method == wire.Connect) {
		return wire.DisconnectBadRequest // before connect, or connect again
	}
	err := wire.Check(method, c)
	if err == nil {
		err = s.handle(o, method, c)
	}
	var code wire.ErrorCode
	if errors.As(err, &code) {
		if c.Id != 0 {
			o.reply(code.Reply(c.Id))
		}
		return nil
	}
	return err
}

func (s *session) handle(o *out, method wire.Method, c *protocol.Command) error {
	switch method {
	case wire.Subscribe, wire.Publish, wire.History, wire.Presence, wire.PresenceStats:
		// These answer by themselves. What was gathered goes first: clients send
		// connect and their subscriptions in one message, and expect that order.
		o.flush()
	}
	switch method {
	case wire.Connect:
		return s.connect(o, c.Id, c.Connect)
	case wire.Subscribe:
		return s.onSubscribe(o, c.Id, c.Subscribe)
	case wire.Unsubscribe:
		return s.onUnsubscribe(o, c.Id, c.Unsubscribe)
	case wire.Publish:
		return s.onPublish(o, c.Id, c.Publish)
	case wire.History:
		return s.onHistory(o, c.Id, c.History)
	case wire.Presence:
		return s.onPresence(o, c.Id, c.Presence)
	case wire.PresenceStats:
		return s.onPresenceStats(o, c.Id, c.PresenceStats)
	case wire.Ping:
		o.reply(&protocol.Reply{Id: c.Id, Ping: &protocol.PingResult{}})
		return nil
	case wire.Send:
		return nil // nobody listens: it is dropped, as the protocol has it
	case wire.RPC, wire.Refresh, wire.SubRefresh:
		return wire.ErrNotAvailable
	}
	return wire.ErrMethodNotFound
}

// connect answers the first command.
func (s *session) connect(o *out, id uint32, r *protocol.ConnectRequest) error {
	if r.Token != "" || !s.hub.cfg.Anonymous {
		return wire.DisconnectInvalidToken
	}
	s.connected.Store(true)
	s.conn.SetHeartbeat(s.hub.beats[s.enc])
	res := &protocol.ConnectResult{Client: s.client(), Version: s.hub.cfg.Version}
	if every := s.hub.cfg.PingInterval; every > 0 {
		res.Ping, res.Pong = seconds(every), s.hub.cfg.PongTimeout > 0
	}
	o.reply(&protocol.Reply{Id: id, Connect: res})
	return nil
}

func (s *session) onSubscribe(o *out, id uint32, r *protocol.SubscribeRequest) error {
	opts := s.hub.cfg.options(r.Channel)
	if err := wire.Admit(s.enc, opts.Binary); err != nil {
		return err
	}
	var since *Position
	positioned := opts.Recoverable && (opts.Recover || r.Recoverable || r.Positioned)
	if r.Recover && opts.Recoverable {
		since = &Position{r.Epoch, r.Offset}
	}
	notices := opts.Notices && (r.JoinLeave || opts.ForceNotices)
	s.subscribe(r.Channel, opts, notices, since, func(got subscribed, err error) {
		s.answer(id, err, &protocol.Reply{Subscribe: got.result(positioned, r.Recover, s.enc)})
	})
	return nil
}

// answer replies by itself, from any goroutine: with the error, if there is
// one.
func (s *session) answer(id uint32, err error, r *protocol.Reply) {
	if err != nil {
		code := wire.ErrInternal
		errors.As(err, &code)
		r = code.Reply(id)
	}
	r.Id = id
	o := takeOut(s)
	o.reply(r)
	o.give()
}

func (s *session) onUnsubscribe(o *out, id uint32, r *protocol.UnsubscribeRequest) error {
	s.unsubscribe(r.Channel)
	o.reply(&protocol.Reply{Id: id, Unsubscribe: &protocol.UnsubscribeResult{}})
	return nil
}

func (s *session) onPublish(o *out, id uint32, r *protocol.PublishRequest) error {
	opts := s.hub.cfg.options(r.Channel)
	data, err := wire.Data(opts.Binary, r.Data)
	if err != nil {
		return err
	}
	if s.hub.congested(r.Channel) {
		return wire.ErrTooManyRequests
	}
	who := s.author()
	m := Message{Op: OpJSON, Data: data, From: &who, Keep: &opts.History}
	if opts.Binary {
		m.Op = ws.OpBinary
	}
	s.hub.engine.Publish(r.Channel, m, func(_ Position, err error) {
		s.answer(id, err, &protocol.Reply{Publish: &protocol.PublishResult{}})
	})
	return nil
}

func (s *session) onHistory(_ *out, id uint32, r *protocol.HistoryRequest) error {
	opts := s.hub.cfg.options(r.Channel)
	if opts.History.Messages == 0 {
		return wire.ErrNotAvailable
	}
	if err := wire.Admit(s.enc, opts.Binary); err != nil {
		return err
	}
	q := historyQuery{limit: int(r.Limit), reverse: r.Reverse}
	if r.Since != nil {
		q.since = &Position{r.Since.Epoch, r.Since.Offset}
	}
	s.hub.history(r.Channel, q, func(h History, err error) {
		res := &protocol.HistoryResult{Epoch: h.Top.Epoch, Offset: h.Top.Offset}
		for _, p := range h.Publications {
			if pub, ok := p.push(s.enc); ok {
				res.Publications = append(res.Publications, pub)
			}
		}
		s.answer(id, err, &protocol.Reply{History: res})
	})
	return nil
}

func (s *session) onPresence(_ *out, id uint32, r *protocol.PresenceRequest) error {
	opts := s.hub.cfg.options(r.Channel)
	if !opts.Presence {
		return wire.ErrNotAvailable
	}
	s.hub.engine.Members(r.Channel, func(all []Author, err error) {
		if len(all) > s.hub.cfg.MaxPresence {
			err = wire.ErrNotAvailable // too many to name: presence_stats counts them
		}
		res := &protocol.PresenceResult{Presence: make(map[string]*protocol.ClientInfo, len(all))}
		if err == nil {
			for _, a := range all {
				res.Presence[a.Client] = a.info()
			}
		}
		s.answer(id, err, &protocol.Reply{Presence: res})
	})
	return nil
}

func (s *session) onPresenceStats(_ *out, id uint32, r *protocol.PresenceStatsRequest) error {
	if !s.hub.cfg.options(r.Channel).Presence {
		return wire.ErrNotAvailable
	}
	s.hub.engine.Members(r.Channel, func(all []Author, err error) {
		users := map[string]bool{}
		for _, a := range all {
			users[a.User] = true
		}
		s.answer(id, err, &protocol.Reply{PresenceStats: &protocol.PresenceStatsResult{
			NumClients: uint32(len(all)), NumUsers: uint32(len(users))}})
	})
	return nil
}
