package cost

import (
	"net/netip"
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/policy"
)

// An account counts the use of all connections of a user on this node, or of all clients of an address
// without a token. It is kept until its buckets are full, so a client gains nothing when it
// reconnects.
type account struct {
	owner budget.Owner

	// Guarded by accounts.mu.
	conns    int32 // of a user
	retiring bool  // a timer will forget the account

	buckets [policy.NumClasses]budget.Bucket
}

// full is the time at which all buckets are full.
func (a *account) full() (last int64) {
	for i := range a.buckets {
		last = max(last, a.buckets[i].Full())
	}
	return last
}

// accounts holds the accounts of all users with connections, and of the addresses with recent costs of
// clients without a token. The zero value is empty.
type accounts struct {
	mu           sync.Mutex
	conns        int // of all users
	users, addrs map[budget.Owner]*account
}

// kindLocked returns the accounts of the kind of an owner.
func (all *accounts) kindLocked(owner budget.Owner) *map[budget.Owner]*account {
	if owner.IsAddr() {
		return &all.addrs
	}
	return &all.users
}

// makeLocked returns the account of an owner, which it makes if there is none.
func (all *accounts) makeLocked(owner budget.Owner) (a *account, isNew bool) {
	kind := all.kindLocked(owner)
	if a = (*kind)[owner]; a != nil {
		return a, false
	}
	if *kind == nil {
		*kind = map[budget.Owner]*account{}
	}
	a = &account{owner: owner}
	(*kind)[owner] = a
	return a, true
}

// rescale keeps the levels of the buckets when the limits change.
func (all *accounts) rescale(old, next *limits, now int64) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, a := range all.users {
		a.rescale(&old.user, &next.user, now)
	}
	for _, a := range all.addrs {
		a.rescale(&old.addr, &next.addr, now)
	}
}

func (a *account) rescale(old, next *rates, now int64) {
	for c := range a.buckets {
		a.buckets[c].Rescale(old[c], next[c], now)
	}
}

// unknown is the payer for clients of a Unix socket if the proxy does not name their addresses. It is
// no address, so it has no account.
var unknown = budget.Addr(netip.Addr{})

// addressAccount returns the account of an address, which it makes if there is none. It returns nil if
// the payer is no address, or if the class has no limit for addresses. An idle client keeps no account
// of its address.
func (m *Meter) addressAccount(payer budget.Owner, c policy.Class) *account {
	if !payer.IsAddr() || payer == unknown || m.limits.Load().addr[c].N < 0 {
		return nil
	}
	m.accounts.mu.Lock()
	defer m.accounts.mu.Unlock()
	a, isNew := m.accounts.makeLocked(payer)
	if isNew {
		m.retireLaterLocked(a, time.Now().Add(time.Second))
	}
	return a
}

// userAccount returns the account of a user; nil if the user has no connection on this node.
func (m *Meter) userAccount(user budget.Owner) *account {
	m.accounts.mu.Lock()
	defer m.accounts.mu.Unlock()
	return m.accounts.users[user]
}

// CountConnection counts a connection to its user, and reports whether the user may have one more. From
// then on the user pays, too, for the costs of the connection. Connections without a user are not counted.
// UncountConnection is called when the connection ends.
func (m *Meter) CountConnection(u *Usage, user string) bool {
	if user == "" {
		return true
	}
	all := &m.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	a, _ := all.makeLocked(budget.User(user))
	if m.hasMaxLocked(a) {
		return false
	}
	m.countLocked(u, a)
	return true
}

// countLocked counts a connection to the account of its user.
func (m *Meter) countLocked(u *Usage, a *account) {
	a.conns++
	m.accounts.conns++
	u.account.Store(a)
}

// HasMaxConnections reports whether CountConnection would refuse another connection of a user.
func (m *Meter) HasMaxConnections(user string) bool {
	all := &m.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	a := all.users[budget.User(user)]
	return a != nil && m.hasMaxLocked(a)
}

// hasMaxLocked reports whether a user has as many connections as it may, and counts the refusal.
func (m *Meter) hasMaxLocked(a *account) bool {
	if m.limits.Load().maxConnsPerUser <= 0 || int(a.conns) < m.limits.Load().maxConnsPerUser {
		return false
	}
	m.tooMany.Add(1)
	return true
}

// UncountConnection reverts CountConnection. It may be called several times, and without
// CountConnection.
func (m *Meter) UncountConnection(u *Usage) {
	a := u.account.Swap(nil)
	if a == nil {
		return
	}
	all := &m.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	all.conns--
	if a.conns--; a.conns == 0 && !a.retiring {
		m.retireLocked(a)
	}
}

// retireLocked forgets an account that has no connections, as soon as its buckets are full.
func (m *Meter) retireLocked(a *account) {
	full := m.started.Add(time.Duration(a.full()))
	switch {
	case a.conns > 0:
	case full.After(time.Now()):
		m.retireLaterLocked(a, full)
	default:
		kind := m.accounts.kindLocked(a.owner)
		if delete(*kind, a.owner); len(*kind) == 0 {
			*kind = nil // frees the memory of many owners that came at once
		}
	}
}

// retireLaterLocked makes a timer call retireLocked. Until then nobody else forgets the account.
func (m *Meter) retireLaterLocked(a *account, at time.Time) {
	a.retiring = true
	m.cfg.Timers.At(at, func() {
		m.accounts.mu.Lock()
		defer m.accounts.mu.Unlock()
		a.retiring = false
		m.retireLocked(a)
	})
}
