package control

import (
	"encoding/binary"
	"errors"
	"time"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/token"
	"webim/room/wire"
)

// A revocation is an entry of the State, so that it outlives a restart and holds on all nodes, also on
// those that start later. Each node follows the table, and notes the revocations in Config.Revoked. The
// control message that follows the entry only brings the errors of the nodes to the caller.

// sendRevocation writes the entry of a revocation, and then sends the control message.
func (c *Controller) sendRevocation(m engine.ControlMessage, done func(error)) {
	if c.cfg.Revoked == nil {
		done(wire.ErrNotAvailable)
		return
	}
	c.storeRevocation(m, maxTries, func(err error) {
		if err != nil {
			done(err)
			return
		}
		c.cfg.Engine.SendControl(m, done)
	})
}

// maxTries is how often the entry of a revocation is read and written while others change it. Then the caller gets an
// error, which is logged as one of the server.
const maxTries = 16

// storeRevocation writes the entry of a revocation with at most so many tries, and then calls done. An entry that is there is
// never weakened.
func (c *Controller) storeRevocation(m engine.ControlMessage, tries int, done func(error)) {
	k := engine.Key{Table: engine.TableRevoked, Of: m.To.User}
	if m.Token != "" {
		k = engine.Key{Table: engine.TableRevoked, Name: m.Token}
	}
	c.cfg.Engine.Get(k, func(old engine.Entry, err error) {
		if err != nil {
			done(wire.Internal(err))
			return
		}
		at, until := m.At, m.Until
		if old.Version != 0 {
			if was := revokedAt(old.Value); was.After(at) {
				at = was
			}
			if old.Expires.IsZero() || !until.IsZero() && old.Expires.After(until) {
				until = old.Expires
			}
		}
		e := engine.Entry{Key: k, Version: old.Version, Expires: until, Value: binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano()))}
		c.cfg.Engine.Put(e, func(_ uint64, err error) {
			switch {
			case errors.Is(err, engine.ErrVersion) && tries > 1:
				c.storeRevocation(m, tries-1, done) // somebody else was first: merge with that one
			case err != nil:
				done(wire.Internal(err))
			default:
				done(nil)
			}
		})
	})
}

// revokedAt returns the time up to which tokens of a user are revoked.
func revokedAt(value []byte) time.Time {
	if len(value) != 8 {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(value)))
}

// revocationChanged is called with each entry of the table. The revocation holds from then on: it is noted before the
// State goes on, so the server does not listen before those that were there at the start are noted. Only the work on the
// connections that have the token is posted. An entry that expires needs nothing: its revocation in Config.Revoked ends
// at the same time.
func (c *Controller) revocationChanged(_, e engine.Entry) {
	if e.Value == nil {
		return
	}
	m := engine.ControlMessage{Kind: engine.ControlRevoke, To: engine.Target{User: e.Of}, Token: e.Name, At: revokedAt(e.Value), Until: e.Expires}
	if err := c.noteRevocation(m); err != nil {
		c.cfg.Post(func() {
			c.cfg.Log.Error("a revoked token stays valid on this node", "user", m.To.User, "jti", m.Token, "err", err)
		})
	}
	c.enforce(func() { c.endRevoked(m) })
}

// revoke notes that tokens are no longer valid. It ends the connections and the subscriptions that were
// made with these tokens.
func (c *Controller) revoke(m engine.ControlMessage) error {
	if c.cfg.Revoked == nil {
		return wire.ErrNotAvailable
	}
	err := c.noteRevocation(m)
	c.endRevoked(m)
	return err
}

// noteRevocation makes the judge refuse the tokens.
func (c *Controller) noteRevocation(m engine.ControlMessage) error {
	if m.Token != "" {
		return c.cfg.Revoked.RevokeID(m.Token, m.Until)
	}
	return c.cfg.Revoked.RevokeUser(m.To.User, m.At, m.Until)
}

// endRevoked ends the connections and the subscriptions that were made with tokens which are no longer valid.
func (c *Controller) endRevoked(m engine.ControlMessage) {
	some := c.sessionsOf(m.To.User)
	if m.Token != "" {
		some = c.sessionsIn("", func(identity.Session) bool { return true })
	}
	for _, s := range some {
		s.Apply(m)
	}
	if c.bearers.Load() == 0 {
		return
	}
	code := wire.DisconnectInvalidToken
	c.closePlain("", code, code.Text(), func(conn netpoll.Conn) bool {
		p := identity.PrincipalOf(conn)
		return p != nil && RevokesToken(&m, p.Identity())
	})
}

// RevokesToken reports whether a control message of the kind ControlRevoke revokes the token of an
// identity.
func RevokesToken(m *engine.ControlMessage, who *token.Identity) bool {
	if m.Token != "" {
		return who.ID == m.Token
	}
	return who.User == m.To.User && !who.IssuedAt.After(m.At)
}
