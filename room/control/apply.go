package control

import (
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Apply applies a control message to the connections of this node, see engine.Node.
func (c *Controller) Apply(m engine.ControlMessage) error {
	if m.Kind == engine.ControlRevoke {
		return c.revoke(m)
	}
	targets := c.targets(m.To)
	if m.Kind == engine.ControlSubscribe && len(targets) > 0 && c.cfg.Judge.IsStateOld() {
		return engine.ErrStateOld // the sessions would be refused, and nobody would hear of it
	}
	for _, s := range targets {
		if !exceptsAdmin(&m, s.Identity()) {
			s.Apply(m)
		}
	}
	if m.To.User == "" || c.bearers.Load() > 0 {
		c.applyToPlain(m)
	}
	return nil
}

func exceptsAdmin(m *engine.ControlMessage, who *token.Identity) bool {
	return m.To.ExceptAdmins && policy.RolesOf(who, m.Room)&policy.RoleAdmin != 0
}

// applyToPlain applies a control message to plain connections. It can only close them, also if they must
// leave their room.
func (c *Controller) applyToPlain(m engine.ControlMessage) {
	meant := func(conn netpoll.Conn) bool {
		a := identity.AuthorOf(conn, "")
		return (m.To.User == "" || a.User == m.To.User) && m.To.Names(a.Client) && !exceptsAdmin(&m, identity.Of(conn))
	}
	switch {
	case m.Kind == engine.ControlDisconnect:
		c.closePlain("", wire.DisconnectCode(m.Code), m.Reason, meant)
	case m.Kind == engine.ControlUnsubscribe:
		end := wire.DisconnectForceNoReconnect
		c.closePlain(m.Room, end, end.Text(), meant)
	case EndsConnections(&m):
		end := wire.DisconnectExpired
		c.closePlain("", end, end.Text(), meant)
	}
}

// EndsConnections reports whether a control message is a refresh that ends connections.
func EndsConnections(m *engine.ControlMessage) bool {
	return m.Kind == engine.ControlRefresh && (m.Expired || !m.Expires.IsZero() && !m.Expires.After(time.Now()))
}

// closePlain closes the plain connections that are in a room and pass a test; without a room, those of the
// server.
func (c *Controller) closePlain(room string, code wire.DisconnectCode, reason string, test func(netpoll.Conn) bool) {
	for conn := range c.conns(room, true) {
		if test(conn) {
			_ = conn.CloseBy(netpoll.ByOperator, ws.StatusCode(code), reason)
		}
	}
}
