package control

import (
	"time"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/wire"
)

// A user is erased by the engine, on this node or on another one, or by a command while no node runs. Each
// node follows the tombstones; the rooms tell their members (engine.Subscriber.Erased).

// erasedChanged is called with each entry of engine.TableErased. The connections of the user end, because
// they still have memberships that the State no longer has. The entries that were there at the start
// concern nobody: there are no connections yet.
func (c *Controller) erasedChanged(_, e engine.Entry) {
	if e.Value == nil {
		return
	}
	c.enforce(func() {
		some, end := c.sessionsOf(e.Of), wire.DisconnectForceNoReconnect
		for _, s := range some {
			s.Disconnect(end)
		}
		if c.bearers.Load() > 0 {
			c.closePlain("", end, end.Text(), func(conn netpoll.Conn) bool { return identity.Of(conn).User == e.Of })
		}
		c.cfg.Log.Info("a user was erased", "user", e.Of, "at", engine.ErasedAt(e.Value).UTC().Format(time.RFC3339), "connections", len(some))
	})
}
