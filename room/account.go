package room

import (
	"net/netip"
	"sync"
	"time"

	"webim/room/budget"
)

// An account is the connections of one user on this node, and what they have
// left together. It outlasts the last of them until its buckets are full, so
// that coming back gains nothing.
type account struct {
	// Under accounts.mu.
	conns    int
	retiring bool // somebody will look whether it can go

	buckets [numClasses]budget.Bucket
}

// full is when all buckets will be full.
func (a *account) full() (last int64) {
	for i := range a.buckets {
		last = max(last, a.buckets[i].Full())
	}
	return last
}

// accounts are those of all users that are here, and of the addresses whose clients
// without a token have spent something lately. The zero value is ready.
type accounts struct {
	mu     sync.Mutex
	byUser map[string]*account
	byAddr map[budget.Owner]*account
}

// nowhere is the payer for clients of a Unix socket whose proxy does not say where they
// come from. It is no address, so it has no account.
var nowhere = budget.Addr(netip.Addr{})

// addressAccount is the account of an address, made if need be; nil if the payer is no
// address or the class has no bound there. Nobody holds it: a client that is idle has
// none, and an account whose buckets are full is forgotten.
func (h *Hub) addressAccount(payer budget.Owner, c Class) *account {
	if !payer.IsAddr() || payer == nowhere || h.cfg.addressRates.Of(c).N < 0 {
		return nil
	}
	all := &h.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	a := all.byAddr[payer]
	if a == nil {
		if all.byAddr == nil {
			all.byAddr = map[budget.Owner]*account{}
		}
		a = &account{retiring: true}
		all.byAddr[payer] = a
		h.At(time.Now().Add(time.Second), func() { h.retireAddress(payer) })
	}
	return a
}

func (h *Hub) retireAddress(payer budget.Owner) {
	all := &h.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	full := h.started.Add(time.Duration(all.byAddr[payer].full()))
	if full.After(time.Now()) {
		h.At(full, func() { h.retireAddress(payer) })
		return
	}
	delete(all.byAddr, payer)
	if len(all.byAddr) == 0 {
		all.byAddr = nil
	}
}

// userAccount is the account of a user; nil if no connection of the user is here.
func (h *Hub) userAccount(user string) *account {
	all := &h.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.byUser[user]
}

// CountConnection counts a connection to its user, and reports whether the user may have
// one more. Users without a name are not counted. UncountConnection is its end.
func (h *Hub) CountConnection(p *Principal) bool {
	user := p.who.Load().User
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
	p.account.Store(a)
	return true
}

func (h *Hub) overLocked(a *account) bool {
	return a != nil && h.cfg.MaxConnsPerUser > 0 && a.conns >= h.cfg.MaxConnsPerUser
}

// HasMaxConnections reports whether CountConnection would refuse another connection of a
// user, so that a handshake can be refused with a reason.
func (h *Hub) HasMaxConnections(user string) bool {
	all := &h.accounts
	all.mu.Lock()
	defer all.mu.Unlock()
	over := h.overLocked(all.byUser[user])
	if over {
		h.counters.overUser.Add(1)
	}
	return over
}

// UncountConnection ends what CountConnection began; once or more often.
func (h *Hub) UncountConnection(p *Principal) {
	user, a := p.who.Load().User, p.account.Swap(nil)
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
		h.At(full, func() {
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
