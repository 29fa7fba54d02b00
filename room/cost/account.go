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
	user string // "" if it is the account of an address

	// Guarded by accounts.mu.
	conns    int32
	retiring bool // a timer will forget the account

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
	mu     sync.Mutex
	conns  int // of all users
	byUser map[string]*account
	byAddr map[budget.Owner]*account
}

// unknown is the payer for clients of a Unix socket if the proxy does not name their addresses. It is
// no address, so it has no account.
var unknown = budget.Addr(netip.Addr{})

// addressAccount returns the account of an address, which it makes if there is none. It returns nil if
// the payer is no address, or if the class has no limit for addresses. An idle client keeps no account
// of its address.
func (m *Meter) addressAccount(payer budget.Owner, c policy.Class) *account {
	if !payer.IsAddr() || payer == unknown || m.addr[c].N < 0 {
		return nil
	}
	all := &m.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	a := all.byAddr[payer]
	if a == nil {
		if all.byAddr == nil {
			all.byAddr = map[budget.Owner]*account{}
		}
		a = &account{}
		all.byAddr[payer] = a
		retireLater(m, &all.byAddr, payer, time.Now().Add(time.Second))
	}
	return a
}

// userAccount returns the account of a user; nil if the user has no connection on this node.
func (m *Meter) userAccount(user string) *account {
	all := &m.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.byUser[user]
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
	a := all.byUser[user]
	if a == nil {
		if all.byUser == nil {
			all.byUser = map[string]*account{}
		}
		a = &account{user: user}
		all.byUser[user] = a
	}
	if m.hasMaxLocked(a) {
		return false
	}
	a.conns++
	all.conns++
	u.account.Store(a)
	return true
}

// HasMaxConnections reports whether CountConnection would refuse another connection of a user.
func (m *Meter) HasMaxConnections(user string) bool {
	all := &m.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	a := all.byUser[user]
	return a != nil && m.hasMaxLocked(a)
}

// hasMaxLocked reports whether a user has as many connections as it may, and counts the refusal.
func (m *Meter) hasMaxLocked(a *account) bool {
	if m.cfg.MaxConnsPerUser <= 0 || int(a.conns) < m.cfg.MaxConnsPerUser {
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
		retireLocked(m, &all.byUser, a.user)
	}
}

// retireLocked forgets an account that has no connections, as soon as its buckets are full.
func retireLocked[K comparable](m *Meter, all *map[K]*account, key K) {
	a := (*all)[key]
	a.retiring = false
	full := m.started.Add(time.Duration(a.full()))
	switch {
	case a.conns > 0:
	case full.After(time.Now()):
		retireLater(m, all, key, full)
	default:
		if delete(*all, key); len(*all) == 0 {
			*all = nil // frees the memory of many owners that came at once
		}
	}
}

// retireLater makes a timer call retireLocked. Until then nobody else forgets the account.
func retireLater[K comparable](m *Meter, all *map[K]*account, key K, at time.Time) {
	(*all)[key].retiring = true
	m.cfg.Timers.At(at, func() {
		m.accounts.mu.Lock()
		defer m.accounts.mu.Unlock()
		retireLocked(m, all, key)
	})
}
