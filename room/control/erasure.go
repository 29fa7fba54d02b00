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
// concern nobody, except connections that come from another process: see CheckErased.
func (c *Controller) erasedChanged(_, e engine.Entry) {
	if e.Value == nil {
		return
	}
	c.lastErasure.Store(max(c.lastErasure.Load(), e.Version)) // the State calls one watcher at a time
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

// In a live upgrade, somebody may be erased after the old process has stopped, and before the connections of that user are in
// the new one. The new process knows the last erasure that the old one has dealt with.

// LastErasure returns the version of the last tombstone that this node knows.
func (c *Controller) LastErasure() uint64 { return c.lastErasure.Load() }

// Moved says that the connections which are adopted come from a process whose LastErasure was this. Without it, no erasure
// concerns them.
func (c *Controller) Moved(last uint64) { c.movedErasure = last }

// CheckErased calls end, now or later, if the user of an adopted connection was erased after the process that it comes from had
// stopped. The connection is registered before, so that a later erasure finds it.
func (c *Controller) CheckErased(user string, end func()) {
	if user == "" {
		return
	}
	c.cfg.Engine.Get(engine.Key{Table: engine.TableErased, Of: user}, func(e engine.Entry, err error) {
		if err == nil && e.Version > c.movedErasure {
			c.cfg.Log.Info("a user was erased during the upgrade", "user", user)
			end()
		}
	})
}
