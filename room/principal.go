package room

import (
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// A Principal is who a connection is, who pays for what it makes the server keep, and what
// is left of its rates. A dialect embeds it in the data of the connection
// (netpoll.Conn.SetData); Init comes first. A connection without such data is anonymous.
//
// The rates that every client uses as it connects lie here; the other buckets are made
// when one of them is first used, because most connections are idle. The methods are safe
// for concurrent use, except where they say otherwise.
type Principal struct {
	who   atomic.Pointer[token.Identity] // a refresh changes it
	payer budget.Owner                   // set once, before the connection may join a room

	join, rpc, input budget.Bucket
	more             atomic.Pointer[moreBuckets]
	account          atomic.Pointer[account] // of its user; nil without a name

	made     atomic.Int32 // bytes of publications that replies carry, turnReplies of each at most; see behind.go
	much     bool         // made was enough for a turn; owned by the turn, as back is
	back     bool         // its turns are in the background
	registry registration // under users.mu
}

type moreBuckets struct {
	buckets  [numClasses]budget.Bucket
	refusals budget.Bucket
	call     atomic.Pointer[Call]          // that is under way; nil: none
	author   atomic.Pointer[engine.Author] // of what the connection has said last, see authorOnce
}

// Init sets who the connection is, and who pays. It comes before the Principal is shared
// with another goroutine.
func (p *Principal) Init(who *token.Identity, payer budget.Owner) {
	p.who.Store(who)
	p.payer = payer
}

// Principal returns p. Data in which a Principal is embedded has this method, too: that is
// how the hub finds the Principal of a connection.
func (p *Principal) principal() *Principal { return p }

// Identity is who the connection is, never nil. It must not be changed.
func (p *Principal) Identity() *token.Identity { return p.who.Load() }

// Identify sets who the connection is, by its connect command or a new token. The user
// stays the same once the connection has joined a room.
func (p *Principal) Identify(who *token.Identity) { p.who.Store(who) }

// Update replaces the identity by what change makes of a copy of it. change may be called
// several times.
func (p *Principal) Update(change func(who *token.Identity)) {
	for {
		old := p.who.Load()
		who := *old
		change(&who)
		if p.who.CompareAndSwap(old, &who) {
			return
		}
	}
}

// Payer is the owner who pays for what the connection makes the server keep.
func (p *Principal) Payer() budget.Owner { return p.payer }

// SetPayer sets the payer, once, before the connection joins a room.
func (p *Principal) SetPayer(payer budget.Owner) { p.payer = payer }

// principalOf is the Principal of a connection; nil if it has none, or none yet.
func principalOf(c netpoll.Conn) *Principal {
	if d, ok := c.Data().(interface{ principal() *Principal }); ok {
		return d.principal()
	}
	return nil
}

// identityOf is who a connection is.
func identityOf(c netpoll.Conn) *token.Identity {
	if p := principalOf(c); p != nil {
		return p.who.Load()
	}
	return Anonymous
}

// payerOfConn is the owner who pays for what a connection makes the server keep.
func payerOfConn(c netpoll.Conn) budget.Owner {
	if p := principalOf(c); p != nil {
		return p.payer
	}
	return budget.Addr(AddressOf(c))
}

// newPrincipal is for a member without a token, and becomes the connection's data.
func newPrincipal(c netpoll.Conn) *Principal {
	p := new(Principal)
	p.Init(Anonymous, budget.Addr(AddressOf(c)))
	c.SetData(p)
	return p
}

// bucket is the bucket of a class.
func (p *Principal) bucket(c Class) *budget.Bucket {
	switch c {
	case ClassJoin:
		return &p.join
	case ClassRPC:
		return &p.rpc
	case ClassInput:
		return &p.input
	}
	return &p.others().buckets[c]
}

func (p *Principal) others() *moreBuckets {
	more := p.more.Load()
	for more == nil {
		p.more.CompareAndSwap(nil, new(moreBuckets))
		more = p.more.Load()
	}
	return more
}

// now is the clock of the buckets.
func (h *Hub) now() int64 { return int64(time.Since(h.started)) }

// Allow judges a command by the rates of its class, and charges it: nil,
// ErrTooManyRequests or, if refusals go on, DisconnectTooManyErrors.
func (h *Hub) Allow(p *Principal, c Class) error {
	now := h.now()
	if take(p.bucket(c), h.cfg.Rates.Of(c), now) && h.allowUser(p, c, now) {
		return nil
	}
	return h.tooFast(p, c, "", now)
}

// AllowUser is Allow by the rates of the connection's user alone.
func (h *Hub) AllowUser(p *Principal, c Class) error {
	now := h.now()
	if h.allowUser(p, c, now) {
		return nil
	}
	return h.tooFast(p, c, p.payer.String(), now)
}

func (h *Hub) allowUser(p *Principal, c Class, now int64) bool {
	a := p.account.Load()
	return a == nil || take(&a.buckets[c], h.cfg.UserRates.Of(c), now)
}

func take(b *budget.Bucket, r Rate, now int64) bool { return b.Take(r, 1, now) }

// CheckDebt judges a command whose payer is in debt for a class that counts bytes: nil if
// there is no debt, else as Allow.
func (h *Hub) CheckDebt(p *Principal, c Class) error {
	if h.debt(p, c) == 0 {
		return nil
	}
	return h.tooFast(p, c, p.payer.String(), h.now())
}

// afford judges a cost in bytes as Allow judges a command: it is charged unless there is
// a debt. So one cost may be larger than the whole rate.
func (h *Hub) afford(p *Principal, c Class, n int) error {
	if h.spend(p, c, n) {
		return nil
	}
	return h.tooFast(p, c, p.payer.String(), h.now())
}

// spend charges a cost in bytes unless there is a debt, and reports whether there was
// none.
func (h *Hub) spend(p *Principal, c Class, n int) bool {
	if h.debt(p, c) > 0 {
		return false
	}
	h.charge(p, c, n)
	return true
}

// debt is the longest debt of the connection, its user and its address.
func (h *Hub) debt(p *Principal, c Class) (longest time.Duration) {
	if h.unbound(c) {
		return 0
	}
	now := h.now()
	longest = p.bucket(c).Debt(h.cfg.Rates.Of(c), now)
	if a := p.account.Load(); a != nil {
		longest = max(longest, a.buckets[c].Debt(h.cfg.UserRates.Of(c), now))
	}
	if a := h.addressAccount(p.payer, c); a != nil {
		longest = max(longest, a.buckets[c].Debt(h.cfg.addressRates.Of(c), now))
	}
	return longest
}

// charge charges a cost in bytes, whether it can be paid or not.
func (h *Hub) charge(p *Principal, c Class, n int) {
	if c == ClassRecovered {
		p.made.Add(int32(min(n, turnReplies)))
	}
	if h.unbound(c) {
		return
	}
	now := h.now()
	p.bucket(c).Charge(h.cfg.Rates.Of(c), n, now)
	if a := p.account.Load(); a != nil {
		a.buckets[c].Charge(h.cfg.UserRates.Of(c), n, now)
	}
	if a := h.addressAccount(p.payer, c); a != nil {
		a.buckets[c].Charge(h.cfg.addressRates.Of(c), n, now)
	}
}

// affordFanout judges the cost of a message that goes out to all members of a room on
// this node; r is nil if it has none.
func (h *Hub) affordFanout(p *Principal, r *Room, m engine.Message) error {
	if r == nil {
		return nil
	}
	return h.affordEach(p, sentSize(&m, r.name), r.Len())
}

// affordEach judges the cost of so many bytes that go out to each of some members.
func (h *Hub) affordEach(p *Principal, n, members int) error {
	if n*members == 0 || h.unbound(ClassFanout) {
		return nil
	}
	return h.afford(p, ClassFanout, n*members)
}

// chargePayer charges a user or an address, whether it can pay or not: for what the server
// sends on because of what the owner did, beside what it sent. Of a user who has no
// connection here nothing is known.
func (h *Hub) chargePayer(payer budget.Owner, c Class, n int) {
	if h.unbound(c) {
		return
	}
	a, rate := h.addressAccount(payer, c), h.cfg.addressRates.Of(c)
	if user, ok := payer.User(); ok {
		a, rate = h.userAccount(user), h.cfg.UserRates.Of(c)
	}
	if a != nil {
		a.buckets[c].Charge(rate, n, h.now())
	}
}

// Bounds reports whether a class has any bound.
func (h *Hub) Bounds(c Class) bool { return !h.unbound(c) }

// unbound reports whether a class has no bounds, as with --dev: then nothing is counted.
func (h *Hub) unbound(c Class) bool {
	return h.cfg.Rates.Of(c).N < 0 && h.cfg.UserRates.Of(c).N < 0
}

// tooFast counts and logs a refusal, and says how the client is told.
func (h *Hub) tooFast(p *Principal, c Class, payer string, now int64) error {
	h.counters.limited[c].Add(1)
	h.logUsedUp(c, payer)
	if p.others().refusals.Take(h.cfg.Refusals, 1, now) {
		return wire.ErrTooManyRequests
	}
	h.counters.cut.Add(1)
	return wire.DisconnectTooManyErrors
}
