package centrifuge

import (
	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/control"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/policy"
	"webim/room/wire"
)

// Apply implements Session. The reply to connect must be the first message to a client. So until it is
// sent, Apply postpones every control message except a revocation.
func (s *session) Apply(o engine.ControlMessage) {
	if o.Kind == engine.ControlRevoke {
		s.revoke(o)
		return
	}
	if !s.Connected() && s.d.early.keep(s, o) {
		return
	}
	switch o.Kind {
	case engine.ControlSubscribe:
		s.subscribeByServer(o)
	case engine.ControlUnsubscribe:
		s.Leave(o.Room)
	case engine.ControlDisconnect:
		_ = s.conn.CloseBy(netpoll.ByOperator, ws.StatusCode(o.Code), o.Reason)
	case engine.ControlRefresh:
		s.applyRefresh(o)
	case engine.ControlRoster:
		s.checkRoster(o.Room)
	case engine.ControlSend:
		s.tell(&protocol.Reply{Push: &protocol.Push{Message: &protocol.Message{Data: o.Data}}})
	}
}

// subscribeByServer joins the session to a room, and tells the client before anything that
// the room sends.
func (s *session) subscribeByServer(o engine.ControlMessage) {
	opts := s.d.hub.Options(o.Room).With(o.Override)
	if wire.Admit(s.enc, opts.Binary) != nil {
		return // the client could not read the publications
	}
	if v := s.judgeJoin(o.Room, policy.Membership{Ticket: true}); v.Outcome != policy.Allow {
		return // the backend cannot admit a user to a # room of others, and cannot overrule a ban
	}
	w := &subscription{room: o.Room, opts: opts, notices: opts.ForceNotices, since: o.Since, server: true, placed: opts.Recoverable, info: o.Info, expires: o.Expires, byServer: true}
	s.subscribe(w, func(got room.Recovery, err error) {
		if err != nil {
			return
		}
		push := &protocol.Subscribe{Data: o.Data}
		if opts.Recoverable {
			push.Recoverable, push.Positioned = true, true
			push.Epoch, push.Offset = got.At.Epoch, got.At.Offset
		}
		reply := takeOut(s)
		defer reply.give()
		reply.reply(&protocol.Reply{Push: &protocol.Push{Channel: o.Room, Subscribe: push}})
		for _, p := range got.Missed {
			if pub, ok := encode.Protocol(&p, s.enc); ok {
				reply.reply(&protocol.Reply{Push: &protocol.Push{Channel: o.Room, Pub: pub}})
			}
		}
		s.checkBy(s.dueAt(o.Expires, true))
	})
}

// revoke ends the subscriptions with a revoked token, and the connection if its own token is revoked.
// The token of the connection may be newer than that of a subscription.
func (s *session) revoke(o engine.ControlMessage) {
	for _, room := range s.roomsRevoked(&o) {
		s.Leave(room)
	}
	if control.RevokesToken(&o, s.Identity()) {
		s.Disconnect(wire.DisconnectInvalidToken)
	}
}

// roomsRevoked returns the rooms that the session has joined by a subscription token that a control
// message revokes.
func (s *session) roomsRevoked(o *engine.ControlMessage) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.subs {
		if one.token != nil && one.token.isRevoked(o) {
			all = append(all, one.room.Name())
		}
	}
	return all
}
