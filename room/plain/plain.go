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
	"webim/room/identity"
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
	who, status, text := d.identify(r, name)
	if status == 0 {
		status, text = d.judge(who, name, r.Remote().Addr().Unmap())
	}
	if who != nil && who != token.Anonymous { // also if it is refused: for the flight recorder
		p := new(identity.Principal)
		p.Init(who, cost.PayerOf(who.User, r.Remote().Addr()))
		r.SetData(p)
	}
	if status == 0 {
		return
	}
	d.logRefusal(r, name, who, status, text)
	r.Refuse(status, text)
	if status == http.StatusServiceUnavailable {
		_ = r.AddHeader("Retry-After", "5")
	}
}

// identify returns the identity in a token. If the token is refused, it returns an HTTP status and the reason, and the identity if
// only the time of the token is over or it was revoked.
func (d *Dialect) identify(r *netpoll.Request, name string) (who *token.Identity, status int, why string) {
	h, text := d.hub, r.Query().Get("token")
	switch {
	case text == "" && h.Config().Anonymous:
		return token.Anonymous, 0, ""
	case text == "":
		h.RefusalLog().Warn("a plain client without a token is refused", append(attrsOf(r, name), "see", "open, rooms (allow); ?token= in the URL")...)
		return nil, http.StatusUnauthorized, "a good token is needed here: add ?token= to the URL"
	}
	type verdict struct {
		who *token.Identity
		err error
	}
	answer, of := make(chan verdict, 1), attrsOf(r, name) // r ends with the handshake
	h.Judge().VerifyToken(text, func(who *token.Identity, err error) { answer <- verdict{who, h.Judge().CheckToken(who, err, of...)} })
	select {
	case v := <-answer:
		switch {
		case errors.Is(v.err, wire.ErrTokenExpired):
			return v.who, http.StatusUnauthorized, "the token has expired"
		case errors.Is(v.err, wire.ErrInternal):
			return nil, http.StatusServiceUnavailable, "the token cannot be judged now, try again"
		case v.err != nil:
			return v.who, http.StatusUnauthorized, "the token is not valid"
		}
		return v.who, 0, ""
	default: // the verifier is fetching the key, and a handshake cannot wait
		return nil, http.StatusServiceUnavailable, "the token cannot be judged yet, try again"
	}
}

// isNobody reports whether an identity is none that the application has given.
func isNobody(who *token.Identity) bool { return who == token.Anonymous || policy.IsGuest(who.User) }

// judge returns an HTTP status and the reason why an identity may not join a room, or 0.
func (d *Dialect) judge(who *token.Identity, name string, addr netip.Addr) (status int, why string) {
	h := d.hub
	for _, a := range [2]policy.Action{policy.ActJoin, policy.ActRead} {
		v := h.Judge().Decide(policy.Subject{Who: who, Addr: addr}, a, name, policy.Membership{})
		switch {
		case v.Outcome == policy.AskBackend || v.Outcome == policy.Allow && isNobody(who) && h.Asks(backend.HookConnect, ""):
			return http.StatusForbidden, "this room is open to clients of the Centrifuge protocol only"
		case v.Outcome == policy.Allow:
		case errors.Is(h.Judge().Refusal(v), wire.ErrBanned):
			return http.StatusForbidden, "you are banned"
		default:
			return http.StatusForbidden, "this room is not open to you"
		}
	}
	if err := h.Judge().Admit(policy.Subject{Who: who, Addr: addr}, name); err == judge.ErrStateOld {
		return http.StatusServiceUnavailable, "this server does not know the latest bans, try again"
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
			d.close(c, netpoll.ByServer, ws.StatusPolicyViolation, "the token has expired", "")
		}
	})
}

// Open makes a connection that has passed Handshake a member of its room.
func (d *Dialect) Open(c netpoll.Conn, name string) {
	h := d.hub
	p, _ := c.Data().(*identity.Principal)
	who := token.Anonymous
	if p != nil {
		who = p.Identity()
		h.Control().CountBearer(1)
		if !h.Meter().CountConnection(&p.Usage, who.User) {
			d.close(c, netpoll.ByLimit, ws.StatusCode(1013), "too many connections of this user", seeStatus[429])
			return
		}
		if at := who.Expires; !at.IsZero() {
			d.expire(c, at)
		}
	}
	if _, err := h.Join(name, c); err != nil && !errors.Is(err, room.ErrClosed) {
		d.close(c, netpoll.ByLimit, ws.StatusCode(1013), err.Error(), seeStatus[503])
	} else {
		d.closeUnwanted(c, name)
	}
}

// closeUnwanted closes a connection of a client that is banned in its room, has a revoked token, or has no right to be there
// any more.
func (d *Dialect) closeUnwanted(c netpoll.Conn, name string) {
	j, s := d.hub.Judge(), policy.Subject{Who: identity.Of(c), Addr: identity.AddressOf(c)}
	switch {
	case j.IsBanned(s, name):
		d.close(c, netpoll.ByOperator, ws.StatusCode(wire.DisconnectBanned), wire.DisconnectBanned.Text(), "the API's sanctions and unban")
	case j.Revoked(s.Who): // since the handshake: see control.Controller.Register
		d.close(c, netpoll.ByServer, ws.StatusCode(wire.DisconnectInvalidToken), wire.DisconnectInvalidToken.Text(), "the API's revoke")
	case !j.MayStay(s, name, policy.Membership{}): // since the handshake: see control.Controller.Rejudge
		d.close(c, netpoll.ByServer, ws.StatusCode(wire.DisconnectPermissionDenied), judge.NoLongerHere, "rooms (allow)")
	}
}

// close closes a connection that is open, and logs why. reason is one of a few texts.
func (d *Dialect) close(c netpoll.Conn, by netpoll.Party, code ws.StatusCode, reason, see string) {
	d.hub.RefusalLog().Warn("a plain client is closed: "+reason, identity.Logged(c), "code", int(code), "see", see)
	_ = c.CloseBy(by, code, reason)
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
		d.close(m.Conn, netpoll.ByLimit, ws.StatusPolicyViolation, "too many messages", "max_refusals, rate_send")
	}
}

// Close ends a connection's membership.
func (d *Dialect) Close(c netpoll.Conn, why netpoll.Closed) {
	h := d.hub
	if m, ok := h.Member(c); ok {
		if h.Asks(backend.HookDisconnect, "") {
			h.TellDisconnect(identity.AuthorOf(c, ""), []string{m.Room.Name()}, why)
		}
		h.Leave(m)
	}
	if p, ok := c.Data().(*identity.Principal); ok {
		h.Meter().UncountConnection(&p.Usage)
		if p.Identity() != token.Anonymous {
			h.Control().CountBearer(-1)
		}
	}
}

// seeStatus has the settings to look at when a client gets an HTTP status. The status 401 is
// missing: identify logs it.
var seeStatus = map[int]string{
	403: "rooms (allow), hook_subscribe, hook_connect, the API's sanctions",
	429: "max_conns_per_user",
	503: "max_rooms, max_members, token_jwks, /ready",
}

// attrsOf returns the attributes of a handshake for a line of the log.
func attrsOf(r *netpoll.Request, name string) []any {
	return []any{"room", room.Clipped(name), "addr", netpoll.RemoteText(r.Remote())}
}

// logRefusal logs the refusal of a handshake.
func (d *Dialect) logRefusal(r *netpoll.Request, name string, who *token.Identity, status int, why string) {
	see, ok := seeStatus[status]
	if !ok {
		return
	}
	args := append(attrsOf(r, name), "status", status, "see", see)
	if who != nil {
		args = append(args, "user", who.User)
	}
	d.hub.RefusalLog().Warn("a plain client is refused: "+why, args...)
}
