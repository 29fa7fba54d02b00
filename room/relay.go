package room

import (
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/policy"
)

// Relay publishes a WebSocket message of a member without a session as it is. While the
// room has more to sweep than it should, the message waits and the member is not read:
// netpoll brings the message again. So a caller does nothing behind Relay, and calls it
// once for each message.
//
// The error says why the message goes to nobody, which is logged: a wire.ErrorCode, or
// wire.DisconnectTooManyErrors if the member goes on too fast, and is to be closed.
func (h *Hub) Relay(m Member, op ws.OpCode, data []byte) error {
	who := identityOf(m.Conn)
	v := h.Judge(h.subject(who, h.whence(m.Conn)), ActSend, m.Room.name, m.Room.opts, policy.Membership{In: true}, true)
	if v.Outcome != policy.Allow {
		err := h.Refusal(v)
		h.logLost(m, err.Error(), "rooms (allow), hook_publish, the API's sanctions")
		if p := h.relayPrincipal(m.Conn); p != nil {
			if slower := h.meter.Allow(&p.Usage, ClassOther); slower != nil {
				return slower
			}
		}
		return err
	}
	msg := engine.Message{Op: op, Data: data, Origin: uint64(m.Conn.ID())}
	if o := m.Room.opts; o != noOptions {
		msg.Keep = &o.History // as what the other dialect says there
	}
	if who.User != "" {
		from := AuthorOf(m.Conn)
		msg.From = &from
	}
	r, n := m.Room, frameSize(msg)
	if !r.acquire(m.Conn, n) {
		return nil // it comes again
	}
	p := h.relayPrincipal(m.Conn)
	if p != nil {
		msg.Payer = p.Payer()
	}
	undo, err := h.checkRelay(m, p, msg, v)
	if err != nil {
		h.logLost(m, "its size, its text, a rate or slow mode", "max_text, max_graphemes, rate_send, the room's slow mode")
		r.release(n)
		return err
	}
	way := h.newPublishing(byPlain)
	way.room, way.size, way.undo = r, n, undo
	h.publish(r.name, msg, way)
	return nil
}

// relayPrincipal is the Principal of a connection. One without a token gets it when it
// first sends something; nil: it has none, and nothing that it does has a bound.
func (h *Hub) relayPrincipal(c netpoll.Conn) *Principal {
	if p := principalOf(c); p != nil || h.cfg.unbound {
		return p
	}
	return newPrincipal(c)
}

// checkRelay judges a message by the rates, by its text and by slow mode: the cheap
// things first, and what counts only when the message will not come again. undo is
// slowDown's.
func (h *Hub) checkRelay(m Member, p *Principal, msg engine.Message, v Verdict) (undo func(), err error) {
	if p != nil {
		err = h.meter.Allow(&p.Usage, ClassSend)
	}
	if err == nil {
		err = h.checkSize(m.Room.opts, msg)
	}
	if err == nil && msg.Op == ws.OpText {
		err = h.cfg.Text.Check(msg.Data)
	}
	if err == nil && p != nil {
		err = h.spendFanout(p, m.Room, msg)
	}
	if err != nil {
		return nil, err
	}
	return h.slowDown(v, SessionMessage{Room: m.Room.name}, m.Conn)
}
