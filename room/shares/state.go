package shares

import (
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
)

// StateOf returns the State for an owner that writes entries. The owner of a new entry, and of one that
// is written with AnyVersion, is this owner, and pays for it from then on. Any other entry keeps its
// owner. If an entry grows by more than fits into its owner's share, Put returns ErrFull. An entry that
// an address pays for belongs to a guest, and expires with the guest's token.
func (s *Shares) StateOf(o budget.Owner) engine.State { return paidState{s.state, s, o} }

type paidState struct {
	engine.State
	shares *Shares
	owner  budget.Owner
}

// Put implements engine.State. If another caller makes the entry smaller between Get and Put, the entry
// may exceed the share by the difference.
func (p paidState) Put(e engine.Entry, done func(uint64, error)) {
	p.State.Get(e.Key, func(old engine.Entry, err error) {
		switch {
		case err != nil:
			done(0, err)
		case e.Version != engine.AnyVersion && e.Version != old.Version:
			done(0, engine.ErrVersion)
		default:
			p.replace(old, e, done)
		}
	})
}

// replace is Put for an entry that is old now. If there is no entry, old has no version.
func (p paidState) replace(old, e engine.Entry, done func(uint64, error)) {
	e.Owner = p.owner
	if old.Version != 0 && e.Version != engine.AnyVersion {
		e.Owner = old.Owner
	}
	grown := e.Cost()
	if old.Version != 0 && e.Owner == old.Owner {
		grown -= old.Cost()
	}
	if e.Owner.IsAddr() && e.Expires.IsZero() {
		e.Expires = time.Now().Add(policy.GuestLifetime)
	}
	if s := p.shares; !e.Key.IsReserved() && !s.pool.Fits(e.Owner, grown) {
		s.log.Warn(budget.LogShare+", the State: nothing more is kept for it", "owner", e.Owner.String(), "bytes", s.pool.Held(e.Owner))
		done(0, ErrFull)
		return
	}
	p.State.Put(e, done)
}
