package control

import (
	"iter"
	"slices"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/identity"
)

// targets lists the sessions that a control message is for.
func (c *Controller) targets(t engine.Target) []identity.Session {
	switch {
	case t.User != "":
		return slices.DeleteFunc(c.sessionsOf(t.User), func(s identity.Session) bool { return !t.Names(s.ClientID()) })
	case t.Client != "" || t.Session != "":
		return c.sessionsIn("", func(s identity.Session) bool { return t.Names(s.ClientID()) })
	}
	return nil
}

// sessionsOf lists the registered sessions of a user.
func (c *Controller) sessionsOf(user string) (all []identity.Session) {
	for _, id := range c.sessions.Of(user) {
		if conn, ok := c.server.Conn(id); ok {
			if s := identity.SessionOf(conn); s != nil {
				all = append(all, s)
			}
		}
	}
	return all
}

// sessionsIn lists the sessions that are in a room, or are joining it, and that pass a test; without a
// room, the registered ones of the server.
func (c *Controller) sessionsIn(room string, test func(identity.Session) bool) (some []identity.Session) {
	for conn := range c.conns(room, false) {
		if s := identity.SessionOf(conn); s != nil && (room != "" || c.sessions.Has(s)) && test(s) {
			some = append(some, s)
		}
	}
	return some
}

// conns walks the connections of a room: the plain ones, or the others. Without a room it walks all
// connections of the server, about 100 ns each. That is needed rarely, and an index would cost memory
// for every idle client.
func (c *Controller) conns(room string, plain bool) iter.Seq[netpoll.Conn] {
	if room != "" {
		return c.cfg.Conns(room, plain)
	}
	return func(yield func(netpoll.Conn) bool) {
		for conn := range c.server.Conns() {
			if isPlain := conn.Tag() != 0; isPlain == plain && !yield(conn) { // the tag names the room
				return
			}
		}
	}
}
