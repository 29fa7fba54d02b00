package room

import (
	"errors"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/policy"
	"webim/room/wire"
)

// Relay publishes a WebSocket message of a member without a session, unchanged. If the flow control
// of the room does not let the message in, the connection is not read for a while, and then netpoll
// brings the message again. So a caller calls Relay once for each message, and does nothing after it.
//
// If the message is refused, Relay logs the reason and returns it: a wire.ErrorCode, or
// wire.DisconnectTooManyErrors if the member keeps sending too fast and must be closed.
func (h *Hub) Relay(m Member, op ws.OpCode, data []byte) error {
	if err := h.CheckMoved(); err != nil {
		return err
	}
	who := identity.Of(m.Conn)
	subject := policy.Subject{Who: who, Addr: h.judge.AddressForBans(m.Conn)}
	v := h.judge.DecideIn(subject, policy.ActSend, m.Room.name, m.Room.opts.Load(), policy.Membership{In: true})
	if v.Outcome != policy.Allow {
		err := h.judge.Refusal(v)
		noteRefusal(m.Conn, err)
		h.logLost(m, err.Error(), "rooms (allow), hook_publish, the API's sanctions")
		if p := h.relayPrincipal(m.Conn); p != nil {
			if slower := h.meter.Allow(&p.Usage, policy.ClassOther); slower != nil {
				return slower
			}
		}
		return err
	}
	msg := engine.Message{Op: op, Data: data, Origin: uint64(m.Conn.ID()), Keep: h.keepOf(m.Room.opts.Load())}
	if who.User != "" {
		from := identity.AuthorOf(m.Conn, "")
		msg.From = &from
	}
	r, n := m.Room, frameSize(msg)
	if !r.acquire(m.Conn, n) {
		return nil // netpoll brings the message again
	}
	p := h.relayPrincipal(m.Conn)
	if p != nil {
		msg.Payer = p.Payer()
	}
	undo, err := h.checkRelay(m, p, msg, v)
	if err != nil {
		noteRefusal(m.Conn, err)
		h.logLost(m, "its size, its text, a rate or slow mode", "max_text, max_graphemes, rate_send, the room's slow mode")
		r.release(n)
		return err
	}
	way := h.newPublishing(byPlain)
	way.room, way.size, way.undo = r, n, undo
	h.publish(r.name, msg, way)
	return nil
}

// relayPrincipal returns the Principal of a connection. A connection without a token gets one when it
// first sends a message. The result is nil if it has none, because no rate is limited.
func (h *Hub) relayPrincipal(c netpoll.Conn) *identity.Principal {
	if p := identity.PrincipalOf(c); p != nil || h.Config().unbound {
		return p
	}
	return identity.NewAnonymous(c)
}

// checkRelay checks a message against the rates, its size, its text and slow mode, the cheap checks
// first. It counts the message, so it is called only when flow control has let the message in and
// netpoll will not bring it again. undo is that of slowDown.
func (h *Hub) checkRelay(m Member, p *identity.Principal, msg engine.Message, v policy.Verdict) (undo func(), err error) {
	if p != nil {
		err = h.meter.Allow(&p.Usage, policy.ClassSend)
	}
	if err == nil {
		err = m.Room.opts.Load().CheckSize(&msg, h.Config().MaxPublication)
	}
	if err == nil && msg.Op == ws.OpText {
		err = h.Config().Text.Check(msg.Data)
	}
	if err == nil && p != nil {
		err = h.spendFanout(&p.Usage, m.Room, msg)
	}
	if err != nil {
		return nil, err
	}
	return h.slowDown(v, SessionMessage{Room: m.Room.name}, m.Conn)
}

// logLost logs that a message of a plain client is dropped, because the plain dialect cannot tell the
// client. why is an attribute of the line and not a part of its text, because with a mute it contains a
// time, and lines are limited by their text.
func (h *Hub) logLost(m Member, why, see string) {
	h.refusals.Info("a plain client's message is lost", "reason", why, "see", see, "room", Clipped(m.Room.name), identity.Logged(m.Conn))
}

// noteRefusal notes for the flight recorder that a message of a plain client is dropped.
func noteRefusal(c netpoll.Conn, err error) {
	var code wire.ErrorCode
	if errors.As(err, &code) {
		c.NoteRefusal(uint16(code))
	}
}
