package room

import (
	"encoding/binary"
	"errors"
	"time"

	"webim/room/engine"
	"webim/room/wire"
)

// A revocation is an entry of the State, so that it outlives a restart and holds on all nodes, also on
// those that start later. Each node follows the table, and holds what is revoked in Config.Revoked. The
// control message that follows the entry only tells the caller what went wrong on a node.

// storeRevocation writes the entry of a revocation, and then calls done. An entry that is there is never
// weakened.
func (h *Hub) storeRevocation(m engine.ControlMessage, done func(error)) {
	k := engine.Key{Table: engine.TableRevoked, Of: m.To.User}
	if m.Token != "" {
		k = engine.Key{Table: engine.TableRevoked, Name: m.Token}
	}
	h.engine.Get(k, func(old engine.Entry, err error) {
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
		h.engine.Put(e, func(_ uint64, err error) {
			switch {
			case errors.Is(err, engine.ErrVersion):
				h.storeRevocation(m, done) // somebody else was first: merge with that one
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

// revocationChanged is called with each entry of the table. An entry that expires needs nothing: what is
// revoked ends at the same time.
func (h *Hub) revocationChanged(_, e engine.Entry) {
	if e.Value == nil {
		return
	}
	m := engine.ControlMessage{Kind: engine.ControlRevoke, To: engine.Target{User: e.Of}, Token: e.Name, At: revokedAt(e.Value), Until: e.Expires}
	h.Post(func() {
		if err := h.revoke(m); err != nil {
			h.cfg.Log.Error("a revoked token stays valid on this node", "user", m.To.User, "jti", m.Token, "err", err)
		}
	})
}
