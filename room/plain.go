package room

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

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
	} else if who != Anonymous {
		p := new(Principal)
		p.Init(who, PayerOf(who.User, r.Remote().Addr()))
		r.SetData(p)
	}
}

// bearer is who has a token; or an HTTP status, and why.
func (h *Hub) bearer(text string) (who *token.Identity, status int, why string) {
	switch {
	case text == "" && h.cfg.Anonymous:
		return Anonymous, 0, ""
	case text == "" || !h.TakesTokens():
		if text == "" {
			h.told.Warn("a plain client without a token is refused", "see", "open, rooms (allow); ?token= in the URL")
		} else {
			h.LogToken("connection", token.ErrInvalid)
		}
		return nil, http.StatusUnauthorized, "a good token is needed here: add ?token= to the URL"
	}
	type verdict struct {
		who *token.Identity
		err error
	}
	answer := make(chan verdict, 1)
	h.VerifyToken(text, func(who *token.Identity, err error) { answer <- verdict{who, h.CheckToken(who, err)} })
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
func (h *Hub) judgePlain(who *token.Identity, room string, addr netip.Addr) (status int, why string) {
	for _, a := range [2]Action{ActJoin, ActRead} {
		v := h.Judge(h.subject(who, addr), a, room, h.cfg.options(room), policy.Membership{}, true)
		switch {
		case v.Outcome == policy.AskBackend || v.Outcome == policy.Allow && who == Anonymous && h.Asks(HookConnect, ""):
			return http.StatusForbidden, "this room is open to clients of the Centrifuge protocol only"
		case v.Outcome == policy.Allow:
		case errors.Is(h.Refusal(v), wire.ErrBanned):
			return http.StatusForbidden, "you are banned"
		default:
			return http.StatusForbidden, "this room is not open to you"
		}
	}
	if who.User != "" && h.HasMaxConnections(who.User) {
		return http.StatusTooManyRequests, "too many connections of this user"
	}
	if err := h.CheckJoin(room, who, addr); err != nil {
		return http.StatusServiceUnavailable, err.Error()
	}
	return 0, ""
}

// expirePlain closes a plain connection when its token has run out; see
// lookAgain.
func (h *Hub) expirePlain(c netpoll.Conn, at time.Time) {
	h.At(Soonest(at), func() {
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
	p, _ := c.Data().(*Principal)
	if p != nil {
		h.CountBearer(1)
		if !h.CountConnection(p) {
			h.told.Warn("a plain client is refused: too many connections of this user", "code", 1013, "see", seePlain[429], "user", p.Identity().User)
			c.Close(ws.StatusCode(1013), "too many connections of this user")
			return
		}
		if at := p.Identity().Expires; !at.IsZero() {
			h.expirePlain(c, at)
		}
	}
	if _, err := h.Join(room, c); err != nil && !errors.Is(err, ErrClosed) {
		h.told.Warn("a plain client is refused: it cannot join", "code", 1013, "reason", err, "see", seePlain[503])
		c.Close(ws.StatusCode(1013), err.Error())
	} else if h.CheckBan(identityOf(c), AddressOf(c), room) != nil {
		c.Close(ws.StatusCode(wire.DisconnectBanned), wire.DisconnectBanned.Text())
	} else if p != nil && h.Revoked(p.Identity()) { // since the handshake: see Register
		c.Close(ws.StatusCode(wire.DisconnectInvalidToken), wire.DisconnectInvalidToken.Text())
	}
}

// plainMessage publishes what a member sends. What the member may not send, or sends
// too fast, is lost: the dialect has no way to say so.
func (h *Hub) plainMessage(m Member, op ws.OpCode, data []byte) {
	m.Conn.Spent(publishWork)
	if errors.Is(h.Relay(m, op, data), wire.DisconnectTooManyErrors) {
		m.Conn.Close(ws.StatusPolicyViolation, "too many messages")
	}
}
