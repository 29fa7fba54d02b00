package room

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"webim/room/wire"
)

// A Rate bounds how often something is done: N times at once, after which it
// comes back evenly, all of it within Per. The zero value stands for a default;
// a negative N is no bound.
type Rate struct {
	N   int
	Per time.Duration
}

// Unlimited is no bound.
var Unlimited = Rate{N: -1}

// Rates are the bounds by class of commands.
type Rates struct {
	Join   Rate // subscribing
	Send   Rate // publishing, in the plain dialect too
	Typing Rate // telling that one is about to
	Read   Rate // history and presence
	RPC    Rate // calls, messages to the server, connecting and new tokens
}

// NoRates are no bounds at all.
var NoRates = Rates{Unlimited, Unlimited, Unlimited, Unlimited, Unlimited}

// DefaultRates are those of one connection. What a client that lost its network
// does, to come back to all its rooms at once, fits in.
var DefaultRates = Rates{
	Join: Rate{256, time.Minute}, Send: Rate{50, 10 * time.Second}, Typing: Rate{30, 10 * time.Second},
	Read: Rate{256, time.Minute}, RPC: Rate{100, 10 * time.Second},
}

// DefaultUserRates are those of all connections of a user together.
var DefaultUserRates = Rates{
	Join: Rate{1024, time.Minute}, Send: Rate{100, 10 * time.Second}, Typing: Rate{60, 10 * time.Second},
	Read: Rate{1024, time.Minute}, RPC: Rate{400, 10 * time.Second},
}

// DefaultRefusals is how often a connection is told that it is too fast, before
// it is cut. A whole message of commands fits in.
var DefaultRefusals = Rate{256, time.Minute}

// class is a field of Rates.
type class uint8

const (
	classJoin class = iota
	classSend
	classTyping
	classRead
	classRPC
	numClasses
	unlimited = numClasses // what is in no class
)

// classOf tells which bound a command has. Unsubscribing and pings have none:
// the one is bounded by subscribing, the other costs as much as any frame.
func classOf(m wire.Method) class {
	switch m {
	case wire.Subscribe:
		return classJoin
	case wire.Publish:
		return classSend
	case wire.History, wire.Presence, wire.PresenceStats:
		return classRead
	case wire.RPC, wire.Send, wire.Connect, wire.Refresh, wire.SubRefresh:
		return classRPC
	}
	return unlimited
}

func (r *Rates) byClass() [numClasses]*Rate {
	return [numClasses]*Rate{&r.Join, &r.Send, &r.Typing, &r.Read, &r.RPC}
}

// withDefaults fills in what is zero. Joining all rooms that a connection may
// be in is never too fast.
func (r Rates) withDefaults(def Rates, rooms int) Rates {
	defs := def.byClass()
	for i, one := range r.byClass() {
		*one = one.withDefault(*defs[i])
	}
	if r.Join.N >= 0 {
		r.Join.N = max(r.Join.N, rooms)
	}
	return r
}

func (r Rate) withDefault(def Rate) Rate {
	r.N = cmp.Or(r.N, def.N)
	r.Per = cmp.Or(r.Per, def.Per, time.Second)
	return r
}

// A bucket is what is left of a Rate, in 8 bytes and without a timer: when it
// will be full again, in nanoseconds of the hub's clock. The zero value is full.
type bucket int64

// take takes one, or reports that nothing is left.
func (b *bucket) take(r Rate, now int64) bool {
	if r.N < 0 {
		return true
	}
	full := max(int64(*b), now) + int64(r.Per)/int64(r.N)
	if full-now > int64(r.Per) {
		return false
	}
	*b = bucket(full)
	return true
}

// buckets are one for each class.
type buckets [numClasses]bucket

// A quota is what a connection has left of its rates. Its turn owns it; but the
// account is given to it by who answers its connect command, and taken from it when
// it is closed, which may be meanwhile.
type quota struct {
	buckets  buckets
	refusals bucket
	account  atomic.Pointer[account] // of its user; nil without a name
}

// admit judges a command: nil, ErrTooManyRequests, or, when that goes on,
// DisconnectTooManyErrors.
func (h *Hub) admit(m *quota, c class) error {
	if c >= numClasses {
		return nil
	}
	now := int64(time.Since(h.started))
	if m.buckets[c].take(*h.cfg.Rates.byClass()[c], now) && m.account.Load().take(c, *h.cfg.UserRates.byClass()[c], now) {
		return nil
	}
	h.counters.limited[c].Add(1)
	if m.refusals.take(h.cfg.Refusals, now) {
		return wire.ErrTooManyRequests
	}
	h.counters.cut.Add(1)
	return wire.DisconnectTooManyErrors
}

// An account is the connections of one user on this node, and what they have
// left together. It outlasts the last of them until its buckets are full, so
// that coming back gains nothing.
type account struct {
	// Under accounts.mu.
	conns    int
	retiring bool // somebody will look whether it can go

	walk uint64 // the last in which it was counted; under tally.mu

	mu      sync.Mutex
	buckets buckets
}

func (a *account) take(c class, r Rate, now int64) bool {
	if a == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.buckets[c].take(r, now)
}

// full is when all buckets will be full.
func (a *account) full() bucket {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := bucket(0)
	for _, b := range a.buckets {
		last = max(last, b)
	}
	return last
}

// accounts are those of all users that are here. The zero value is ready.
type accounts struct {
	mu     sync.Mutex
	byUser map[string]*account
}

// enlist counts a connection to its user, and reports whether there is room for
// it. Users without a name are not counted.
func (h *Hub) enlist(m *quota, user string) bool {
	if user == "" {
		return true
	}
	all := &h.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	a := all.byUser[user]
	if a == nil {
		if all.byUser == nil {
			all.byUser = map[string]*account{}
		}
		a = &account{}
		all.byUser[user] = a
	}
	if h.overLocked(a) {
		h.counters.overUser.Add(1)
		return false
	}
	a.conns++
	m.account.Store(a)
	return true
}

func (h *Hub) overLocked(a *account) bool {
	return a != nil && h.cfg.MaxConnsPerUser > 0 && a.conns >= h.cfg.MaxConnsPerUser
}

// isFull tells early, and politely, what enlist would say too late.
func (h *Hub) isFull(user string) bool {
	all := &h.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	over := h.overLocked(all.byUser[user])
	if over {
		h.counters.overUser.Add(1)
	}
	return over
}

// discharge is enlist's end; once or more often.
func (h *Hub) discharge(m *quota, user string) {
	a := m.account.Swap(nil)
	if a == nil {
		return
	}
	all := &h.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	if a.conns--; a.conns == 0 && !a.retiring {
		h.retireLocked(a, user)
	}
}

// retireLocked forgets an account without connections as soon as its buckets
// are full.
func (h *Hub) retireLocked(a *account, user string) {
	full := h.started.Add(time.Duration(a.full()))
	a.retiring = a.conns == 0 && full.After(time.Now())
	switch {
	case a.retiring:
		h.due.add(full, func() {
			h.accounts.mu.Lock()
			defer h.accounts.mu.Unlock()
			h.retireLocked(a, user)
		})
	case a.conns == 0:
		delete(h.accounts.byUser, user)
		if len(h.accounts.byUser) == 0 {
			h.accounts.byUser = nil // a crowd that came at once is over
		}
	}
}

// counters are what was refused since the start.
type counters struct {
	limited                [numClasses]atomic.Int64
	cut, denials, overUser atomic.Int64
	overShare              atomic.Int64 // of the State, or of the rooms
}

// denied counts a refusal by the rights.
func (h *Hub) denied() error {
	h.counters.denials.Add(1)
	return wire.ErrPermissionDenied
}
