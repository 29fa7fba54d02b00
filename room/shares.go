package room

import (
	"errors"
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/wire"
)

// Each entry of the State has an owner who pays for it, and no owner may fill the
// State: see budget.Pool. A user whom a token names pays for what it makes. A guest,
// whose name costs nothing, and a client without a name stand for their address.
// What the server API writes is the server's, and bound by the limit alone.
//
// Hubs count what the State holds by watching it, so each node knows all shares and
// every engine has them.

// ErrShareFull means that the owner holds as much of the State as one owner may.
var ErrShareFull = errors.New("room: the owner holds as much state as it may")

// StateError is an error of the engine's State as clients are told it: a
// wire.ErrorCode, perhaps with a sentence, or nil.
func StateError(err error) error {
	switch err {
	case nil:
		return nil
	case ErrShareFull:
		return wire.Explain(wire.ErrLimitExceeded, "limit exceeded: you keep as many rooms, marks and bans as one user or address may: leave a room")
	case engine.ErrStateFull:
		return wire.Explain(wire.ErrLimitExceeded, "limit exceeded: the server's state is full")
	}
	return wire.Internal(err)
}

// logShare begins the log lines about shares; see package budget.
const logShare = "an owner holds as much as it may"

// stateShares counts the entries of the State by owner.
type stateShares struct {
	pool *budget.Pool

	mu    sync.Mutex     // innermost
	given map[string]int // by user: entries of the user's list that others pay for
}

// watchShares begins to count.
func (h *Hub) watchShares() (stops []func()) {
	limit := h.engine.MaxState()
	if limit > 0 {
		limit -= limit / engine.Reserve // the rest is for bans and mutes
	}
	h.shares.pool, h.shares.given = budget.NewPool(limit), map[string]int{}
	h.rosters.sizes = map[string]int{}
	stops = append(stops, h.engine.Watch(engine.TableMember, h.countRoster))
	for _, table := range []string{engine.TableRoom, engine.TableMember, engine.TableMine, engine.TableMark, engine.TableReaction, engine.TableDecline, engine.TableBan, engine.TableBanIP, engine.TableMute} {
		stops = append(stops, h.engine.Watch(table, h.countShare))
	}
	return stops
}

// countShare moves an entry from the share of its owner to that of the next one.
func (h *Hub) countShare(was, is engine.Entry) {
	if is.Key.IsReserved() {
		return
	}
	s := &h.shares
	if was.Value != nil {
		s.pool.Add(was.Owner, -was.Cost())
		s.count(was, -1)
	}
	if is.Value != nil {
		s.pool.Add(is.Owner, is.Cost())
		s.count(is, 1)
	}
}

// isGift tells whether somebody else pays for an entry of a user's list.
func isGift(e *engine.Entry) bool {
	return e.Table == engine.TableMine && !IsGuest(e.Of) && e.Owner != budget.User(e.Of)
}

func (s *stateShares) count(e engine.Entry, n int) {
	if !isGift(&e) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given[e.Of] += n; s.given[e.Of] <= 0 {
		delete(s.given, e.Of)
	}
}

func (s *stateShares) hasGifts(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given[user] > 0
}

// StateOf is the engine's State for an owner, as which a client writes. An entry that is
// new, or that is written with AnyVersion, is the owner's, who pays for it from now on;
// any other stays whose it is. Put asks the share of whoever pays for what the entry
// grows by, and returns ErrShareFull if that does not fit. An entry that an address pays
// for is a guest's, and ends when the guest's token does.
func (h *Hub) StateOf(o budget.Owner) engine.State { return paidState{h.engine, h, o} }

type paidState struct {
	engine.State
	hub   *Hub
	owner budget.Owner
}

// Put implements State. If the entry changes between Get and Put, it may exceed the share
// by what the other change saved.
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

// replace is Put for an entry that is old now, which has no version if there is none.
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
		e.Expires = time.Now().Add(guestTime)
	}
	if shares := p.hub.shares.pool; !e.Key.IsReserved() && !shares.Fits(e.Owner, grown) {
		p.hub.refusals.Warn(logShare+", the State: nothing more is kept for it", "owner", e.Owner.String(), "bytes", shares.Held(e.Owner))
		done(0, ErrShareFull)
		return
	}
	p.State.Put(e, done)
}

// Adopt has a user pay from now on for the memberships that others made for it
// before it first connected. What does not fit into the user's share stays theirs.
func (h *Hub) Adopt(user string) {
	if user == "" || IsGuest(user) || !h.shares.hasGifts(user) {
		return
	}
	owner := budget.User(user)
	take := func(e engine.Entry) {
		if e.Version == 0 || e.Owner == owner || !h.shares.pool.Fits(owner, e.Cost()) {
			return
		}
		e.Owner = owner
		h.engine.Put(e, func(uint64, error) {}) // if it has changed meanwhile, the next connection adopts it
	}
	h.engine.List(engine.TableMine, user, "", maxAdopted, func(all []engine.Entry, err error) {
		if err != nil {
			return // the next connection adopts them
		}
		for _, e := range all {
			take(e)
			h.engine.Get(engine.Key{Table: engine.TableMember, Of: e.Name, Name: user}, func(e engine.Entry, err error) {
				if err == nil {
					take(e)
				}
			})
		}
	})
}

// maxAdopted bounds the entries that adopt looks at. A user's list has no more rooms.
const maxAdopted = 1000
