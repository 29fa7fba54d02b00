package plain

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/backend"
	"webim/room/cost"
	"webim/room/internal/timers"
	"webim/room/judge"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Dialect serves the plain connections of a hub. Its methods are safe for concurrent use.
type Dialect struct{ hub *room.Hub }

// New makes the plain dialect of a hub.
func New(hub *room.Hub) *Dialect { return &Dialect{hub} }

// Handshake decides whether a client may join the room name, and refuses its handshake with an HTTP
// status if not. It checks the rights before the limits, so a client without the right to join
// learns nothing about the room.
func (d *Dialect) Handshake(r *netpoll.Request, name string) {
	who, status, text := d.identify(r.Query().Get("token"))
	if status == 0 {
		status, text = d.judge(who, name, r.Remote().Addr().Unmap())
	}
	if status != 0 {
		d.logRefusal(r, name, status, text)
		r.Refuse(status, text)
		if status == http.StatusServiceUnavailable {
			_ = r.AddHeader("Retry-After", "5")
		}
	} else if who != token.Anonymous {
		p := new(room.Principal)
		p.Init(who, cost.PayerOf(who.User, r.Remote().Addr()))
		r.SetData(p)
	}
}

// identify returns the identity in a token, or an HTTP status and the reason of the refusal.
func (d *Dialect) identify(text string) (who *token.Identity, status int, why string) {
	h := d.hub
	switch {
	case text == "" && h.Config().Anonymous:
		return token.Anonymous, 0, ""
	case text == "" || !h.Judge().TakesTokens():
		if text == "" {
			h.RefusalLog().Warn("a plain client without a token is refused", "see", "open, rooms (allow); ?token= in the URL")
		} else {
			h.Judge().LogToken("connection", token.ErrInvalid)
		}
		return nil, http.StatusUnauthorized, "a good token is needed here: add ?token= to the URL"
	}
	type verdict struct {
		who *token.Identity
		err error
	}
	answer := make(chan verdict, 1)
	h.Judge().VerifyToken(text, func(who *token.Identity, err error) { answer <- verdict{who, h.Judge().CheckToken(who, err)} })
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
	default: // the verifier is fetching the key, and a handshake cannot wait
		return nil, http.StatusServiceUnavailable, "the token cannot be judged yet, try again"
	}
}

// judge returns an HTTP status and the reason why an identity may not join a room, or 0.
func (d *Dialect) judge(who *token.Identity, name string, addr netip.Addr) (status int, why string) {
	h := d.hub
	for _, a := range [2]policy.Action{policy.ActJoin, policy.ActRead} {
		v := h.Judge().Decide(policy.Subject{Who: who, Addr: addr}, a, name, policy.Membership{})
		switch {
		case v.Outcome == policy.AskBackend || v.Outcome == policy.Allow && who == token.Anonymous && h.Asks(backend.HookConnect, ""):
			return http.StatusForbidden, "this room is open to clients of the Centrifuge protocol only"
		case v.Outcome == policy.Allow:
		case errors.Is(h.Judge().Refusal(v), wire.ErrBanned):
			return http.StatusForbidden, "you are banned"
		default:
			return http.StatusForbidden, "this room is not open to you"
		}
	}
	if who.User != "" && h.Meter().HasMaxConnections(who.User) {
		return http.StatusTooManyRequests, "too many connections of this user"
	}
	if err := h.CheckJoin(name, who, addr); err != nil {
		return http.StatusServiceUnavailable, err.Error()
	}
	return 0, ""
}

// expire closes a connection when its token expires.
func (d *Dialect) expire(c netpoll.Conn, at time.Time) {
	d.hub.At(timers.Soonest(at), func() {
		switch {
		case !c.Exists():
		case time.Now().Before(at):
			d.expire(c, at)
		default:
			_ = c.Close(ws.StatusPolicyViolation, "the token has expired")
		}
	})
}

// Open makes a connection that has passed Handshake a member of its room.
func (d *Dialect) Open(c netpoll.Conn, name string) {
	h := d.hub
	p, _ := c.Data().(*room.Principal)
	who := token.Anonymous
	if p != nil {
		who = p.Identity()
		h.CountBearer(1)
		if !h.Meter().CountConnection(&p.Usage, who.User) {
			h.RefusalLog().Warn("a plain client is refused: too many connections of this user", "code", 1013, "see", seeStatus[429], "user", who.User)
			c.Close(ws.StatusCode(1013), "too many connections of this user")
			return
		}
		if at := who.Expires; !at.IsZero() {
			d.expire(c, at)
		}
	}
	if _, err := h.Join(name, c); err != nil && !errors.Is(err, room.ErrClosed) {
		h.RefusalLog().Warn("a plain client is refused: it cannot join", "code", 1013, "reason", err, "see", seeStatus[503])
		c.Close(ws.StatusCode(1013), err.Error())
	} else if h.Judge().IsBanned(policy.Subject{Who: who, Addr: judge.AddressOf(c)}, name) {
		c.Close(ws.StatusCode(wire.DisconnectBanned), wire.DisconnectBanned.Text())
	} else if p != nil && h.Judge().Revoked(who) { // since the handshake: see room.Hub.Register
		c.Close(ws.StatusCode(wire.DisconnectInvalidToken), wire.DisconnectInvalidToken.Text())
	}
}

// publishWork is the work of a message in a turn, see netpoll.Conn.Spent.
const publishWork = 1

// Message publishes a message of a member. It drops the message if the member has no right to send
// it or sends too fast, because the dialect has no reply that could say so. If too many messages of
// the room are unswept, netpoll calls the handler again with the same message. So a handler calls
// Message last, and once for each message.
func (d *Dialect) Message(m room.Member, op ws.OpCode, data []byte) {
	m.Conn.Spent(publishWork)
	if errors.Is(d.hub.Relay(m, op, data), wire.DisconnectTooManyErrors) {
		m.Conn.Close(ws.StatusPolicyViolation, "too many messages")
	}
}

// Close ends a connection's membership.
func (d *Dialect) Close(c netpoll.Conn, why netpoll.Closed) {
	h := d.hub
	if m, ok := h.Member(c); ok {
		if h.Asks(backend.HookDisconnect, "") {
			h.TellDisconnect(room.AuthorOf(c), []string{m.Room.Name()}, why)
		}
		h.Leave(m)
	}
	if p, ok := c.Data().(*room.Principal); ok {
		h.Meter().UncountConnection(&p.Usage)
		if p.Identity() != token.Anonymous {
			h.CountBearer(-1)
		}
	}
}

// seeStatus has the settings to look at when a client gets an HTTP status. The status 401 is
// missing: identify logs it.
var seeStatus = map[int]string{
	403: "rooms (allow), hook_subscribe, hook_connect, the API's sanctions",
	429: "max_conns_per_user",
	503: "max_rooms, max_members, token_jwks",
}

// logRefusal logs the refusal of a handshake.
func (d *Dialect) logRefusal(r *netpoll.Request, name string, status int, why string) {
	if see, ok := seeStatus[status]; ok {
		d.hub.RefusalLog().Warn("a plain client is refused: "+why, "status", status, "see", see, "room", room.Clipped(name), "addr", r.Remote().Addr().String())
	}
}
