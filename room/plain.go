package room

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// plainConn is a connection of the plain dialect that has a token, or has sent
// something. The others have no memory but their seat.
type plainConn struct {
	who   *identity
	payer budget.Owner // as session.payer
	quota quota        // owned by the turn
}

// payerOfConn is the owner who pays for what a connection has the server keep.
func payerOfConn(c netpoll.Conn) budget.Owner {
	switch d := c.Data().(type) {
	case *session:
		return d.payer
	case *plainConn:
		return d.payer
	}
	return budget.Addr(addressOf(c))
}

// bearerOf is who a plain connection is.
func bearerOf(c netpoll.Conn) *identity {
	if p, ok := c.Data().(*plainConn); ok {
		return p.who
	}
	return anonymous
}

// greet judges a handshake of the plain dialect: the rights go first, so that
// who may not be in a room learns nothing of it.
func (h *Hub) greet(r *netpoll.Request, room string) {
	who, status, text := h.bearer(r.Query().Get("token"))
	if status == 0 {
		status, text = h.judgePlain(who, room, r.Remote().Addr().Unmap())
	}
	if status != 0 {
		h.notePlain(r, room, status, text)
		r.Refuse(status, text)
		if status == http.StatusServiceUnavailable {
			_ = r.AddHeader("Retry-After", "5")
		}
	} else if who != anonymous {
		r.SetData(&plainConn{who: who, payer: payerOf(who.User, r.Remote().Addr())})
	}
}

// bearer is who has a token; or an HTTP status, and why.
func (h *Hub) bearer(text string) (who *identity, status int, why string) {
	switch {
	case text == "" && h.cfg.Anonymous:
		return anonymous, 0, ""
	case text == "" || !h.takesTokens():
		if text == "" {
			h.told.Warn("a plain client without a token is refused", "see", "open, rooms (allow); ?token= in the URL")
		} else {
			h.noteToken("connection", token.ErrInvalid)
		}
		return nil, http.StatusUnauthorized, "a good token is needed here: add ?token= to the URL"
	}
	type verdict struct {
		who *identity
		err error
	}
	answer := make(chan verdict, 1)
	h.verify(text, func(who *token.Identity, err error) { answer <- verdict{who, h.judge(who, err)} })
	select {
	case v := <-answer:
		switch {
		case errors.Is(v.err, wire.ErrTokenExpired):
			return nil, http.StatusUnauthorized, "the token has expired"
		case errors.Is(v.err, wire.ErrInternal):
			return nil, http.StatusServiceUnavailable, "the token cannot be judged now, try again"
		case v.err != nil:
			return nil, http.StatusUnauthorized, "the token is not valid"
		}
		return v.who, 0, ""
	default: // its key is being fetched, and a handshake cannot wait for that
		return nil, http.StatusServiceUnavailable, "the token cannot be judged yet, try again"
	}
}

// judgePlain is an HTTP status and why, or 0.
func (h *Hub) judgePlain(who *identity, room string, addr netip.Addr) (status int, why string) {
	for _, a := range [2]Action{ActJoin, ActRead} {
		v := h.decide(h.subject(who, addr), a, room, h.cfg.options(room), policy.Membership{}, true)
		switch {
		case v.Outcome == policy.AskBackend || v.Outcome == policy.Allow && who == anonymous && h.asks(HookConnect, ""):
			return http.StatusForbidden, "this room is open to clients of the Centrifuge protocol only"
		case v.Outcome == policy.Allow:
		case errors.Is(h.refusal(v), wire.ErrBanned):
			return http.StatusForbidden, "you are banned"
		default:
			return http.StatusForbidden, "this room is not open to you"
		}
	}
	if who.User != "" && h.isFull(who.User) {
		return http.StatusTooManyRequests, "too many connections of this user"
	}
	if err := h.admits(room, who, addr); err != nil {
		return http.StatusServiceUnavailable, err.Error()
	}
	return 0, ""
}

// expirePlain closes a plain connection when its token has run out; see
// lookAgain.
func (h *Hub) expirePlain(c netpoll.Conn, at time.Time) {
	h.due.add(soonest(at), func() {
		switch {
		case !c.Exists():
		case time.Now().Before(at):
			h.expirePlain(c, at)
		default:
			_ = c.Close(ws.StatusPolicyViolation, "the token has expired")
		}
	})
}

// openPlain makes the connection a member of its room.
func (h *Hub) openPlain(c netpoll.Conn, room string) {
	p, named := c.Data().(*plainConn)
	if named {
		h.bearers.Add(1)
		if !h.enlist(&p.quota, p.who.User) {
			h.told.Warn("a plain client is refused: too many connections of this user", "code", 1013, "see", seePlain[429], "user", p.who.User)
			c.Close(ws.StatusCode(1013), "too many connections of this user")
			return
		}
		if at := p.who.Expires; !at.IsZero() {
			h.expirePlain(c, at)
		}
	}
	if _, err := h.Join(room, c); err != nil && !errors.Is(err, ErrClosed) {
		h.told.Warn("a plain client is refused: it cannot join", "code", 1013, "reason", err, "see", seePlain[503])
		c.Close(ws.StatusCode(1013), err.Error())
	} else if h.mayBe(bearerOf(c), addressOf(c), room) != nil {
		c.Close(wireStatus(wire.DisconnectBanned), wire.DisconnectBanned.Text())
	} else if named && h.revoked(p.who) { // since the handshake: see enrol
		c.Close(wireStatus(wire.DisconnectInvalidToken), wire.DisconnectInvalidToken.Text())
	}
}

// plainMessage publishes what a member sends. While its room has more to sweep
// than it should, the sender is not read. What the member may not send, or sends
// too fast, is lost: the dialect has no way to say so.
func (h *Hub) plainMessage(m Member, op ws.OpCode, data []byte) {
	who := bearerOf(m.Conn)
	v := h.decide(h.subject(who, h.whence(m.Conn)), ActSend, m.Room.name, m.Room.opts, policy.Membership{In: true}, true)
	if v.Outcome != policy.Allow {
		h.noteLost(m, h.refusal(v).Error(), "rooms (allow), hook_publish, the API's sanctions")
		h.plainFits(m, h.plainConnOf(m.Conn), classOther)
		return
	}
	msg := engine.Message{Op: op, Data: data, Origin: uint64(m.Conn.ID())}
	if o := m.Room.opts; o != noOptions {
		msg.Keep = &o.History // as what the other dialect says there
	}
	if who.User != "" {
		from := authorOf(m.Conn)
		msg.From = &from
	}
	r, n := m.Room, frameSize(msg)
	if !r.enter(m.Conn, n) {
		return // it comes again
	}
	p := h.plainConnOf(m.Conn)
	if p != nil {
		msg.Payer = p.payer
	}
	undo, ok := h.plainPasses(m, p, msg, v)
	if !ok {
		h.noteLost(m, "its size, its text, a rate or slow mode", "max_text, max_graphemes, rate_send, the room's slow mode")
		r.entered(n)
		return
	}
	way := h.newPublishing(byPlain)
	way.room, way.size, way.undo = r, n, undo
	h.publish(r.name, msg, way)
}

// plainConnOf is the plainConn of a connection. One without a token gets it when it
// first sends something; nil: it has none, and nothing that it does has a bound.
func (h *Hub) plainConnOf(c netpoll.Conn) *plainConn {
	if p, ok := c.Data().(*plainConn); ok {
		return p
	}
	if h.cfg.unbound {
		return nil
	}
	return newPlainConn(c)
}

// newPlainConn is for a connection without a token.
func newPlainConn(c netpoll.Conn) *plainConn {
	p := &plainConn{who: anonymous, payer: budget.Addr(addressOf(c))}
	c.SetData(p)
	return p
}

// plainFits judges what a client does by a rate, and cuts a client that goes on when it
// is refused.
func (h *Hub) plainFits(m Member, p *plainConn, c class) bool {
	return p == nil || h.plainAllowed(m, h.admit(&p.quota, c))
}

// plainAllowed reports whether err is nil, and closes the connection if it says so.
func (h *Hub) plainAllowed(m Member, err error) bool {
	if errors.Is(err, wire.DisconnectTooManyErrors) {
		m.Conn.Close(ws.StatusPolicyViolation, "too many messages")
	}
	return err == nil
}

// plainPasses judges a message by the rates, by its text and by slow mode: the cheap
// things first, and what counts only when the message will not come again. undo is
// slowDown's.
func (h *Hub) plainPasses(m Member, p *plainConn, msg engine.Message, v Verdict) (undo func(), ok bool) {
	if !h.plainFits(m, p, classSend) || h.checkSize(m.Room.opts, msg) != nil || msg.Op == ws.OpText && h.cfg.Text.check(msg.Data) != nil {
		return nil, false
	}
	r := m.Room
	if p != nil && !h.plainAllowed(m, h.affordFanout(&p.quota, p.payer, r, msg)) {
		return nil, false
	}
	undo, err := h.slowDown(v, Saying{Room: r.name}, m.Conn)
	return undo, err == nil
}
