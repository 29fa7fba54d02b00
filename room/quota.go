package room

import (
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/wire"
)

// A quota is what a connection has left of its rates. What every client uses as it
// connects lies here; the other buckets are made when one of them is first used, for
// most connections are idle. It is safe for concurrent use.
type quota struct {
	join, rpc, input budget.Bucket
	more             atomic.Pointer[moreBuckets]
	account          atomic.Pointer[account] // of its user; nil without a name

	made atomic.Int32 // bytes of publications that replies carry, turnReplies of each at most; see behind.go
	much bool         // made was enough for a turn; owned by the turn, as back is
	back bool         // its turns are in the background
}

type moreBuckets struct {
	buckets  [numClasses]budget.Bucket
	refusals budget.Bucket
	author   atomic.Pointer[engine.Author] // of what the session has said last, see session.from
}

// bucket is the bucket of a class.
func (q *quota) bucket(c class) *budget.Bucket {
	switch c {
	case classJoin:
		return &q.join
	case classRPC:
		return &q.rpc
	case classInput:
		return &q.input
	}
	return &q.others().buckets[c]
}

func (q *quota) others() *moreBuckets {
	more := q.more.Load()
	for more == nil {
		q.more.CompareAndSwap(nil, new(moreBuckets))
		more = q.more.Load()
	}
	return more
}

// now is the clock of the buckets.
func (h *Hub) now() int64 { return int64(time.Since(h.started)) }

// admit judges a command: nil, ErrTooManyRequests, or, when that goes on,
// DisconnectTooManyErrors.
func (h *Hub) admit(q *quota, c class) error {
	now := h.now()
	if take(q.bucket(c), h.cfg.Rates.of(c), now) && (q.account.Load() == nil || take(&q.account.Load().buckets[c], h.cfg.UserRates.of(c), now)) {
		return nil
	}
	return h.tooFast(q, c, "", now)
}

func take(b *budget.Bucket, r Rate, now int64) bool { return b.Take(r, 1, now) }

// afford judges a cost in bytes as admit judges a command: it is charged unless there is
// a debt. So one cost may be larger than the whole rate.
func (h *Hub) afford(q *quota, payer budget.Owner, c class, n int) error {
	if h.spend(q, payer, c, n) {
		return nil
	}
	return h.tooFast(q, c, payer.String(), h.now())
}

// spend charges a cost in bytes unless there is a debt, and reports whether there was
// none.
func (h *Hub) spend(q *quota, payer budget.Owner, c class, n int) bool {
	if h.debt(q, payer, c) > 0 {
		return false
	}
	h.charge(q, payer, c, n)
	return true
}

// debt is the longest debt of those who pay for a connection.
func (h *Hub) debt(q *quota, payer budget.Owner, c class) (longest time.Duration) {
	if h.unbound(c) {
		return 0
	}
	now := h.now()
	longest = q.bucket(c).Debt(h.cfg.Rates.of(c), now)
	if a := q.account.Load(); a != nil {
		longest = max(longest, a.buckets[c].Debt(h.cfg.UserRates.of(c), now))
	}
	if a := h.addressAccount(payer, c); a != nil {
		longest = max(longest, a.buckets[c].Debt(h.cfg.addressRates.of(c), now))
	}
	return longest
}

// charge charges a cost in bytes, whether it can be paid or not.
func (h *Hub) charge(q *quota, payer budget.Owner, c class, n int) {
	if c == classRecovered {
		q.made.Add(int32(min(n, turnReplies)))
	}
	if h.unbound(c) {
		return
	}
	now := h.now()
	q.bucket(c).Charge(h.cfg.Rates.of(c), n, now)
	if a := q.account.Load(); a != nil {
		a.buckets[c].Charge(h.cfg.UserRates.of(c), n, now)
	}
	if a := h.addressAccount(payer, c); a != nil {
		a.buckets[c].Charge(h.cfg.addressRates.of(c), n, now)
	}
}

// affordFanout judges the cost of a message that goes out to all members of a room on
// this node; r is nil if it has none.
func (h *Hub) affordFanout(q *quota, payer budget.Owner, r *Room, m engine.Message) error {
	if r == nil {
		return nil
	}
	return h.affordEach(q, payer, sentSize(&m, r.name), r.Len())
}

// affordEach judges the cost of so many bytes that go out to each of some members.
func (h *Hub) affordEach(q *quota, payer budget.Owner, n, members int) error {
	if n*members == 0 || h.unbound(classFanout) {
		return nil
	}
	return h.afford(q, payer, classFanout, n*members)
}

// chargePayer charges a user or an address, whether it can pay or not: for what the server
// sends on because of what the owner did, beside what it sent. Of a user who has no
// connection here nothing is known.
func (h *Hub) chargePayer(payer budget.Owner, c class, n int) {
	if h.unbound(c) {
		return
	}
	a, rate := h.addressAccount(payer, c), h.cfg.addressRates.of(c)
	if user, ok := payer.User(); ok {
		a, rate = h.userAccount(user), h.cfg.UserRates.of(c)
	}
	if a != nil {
		a.buckets[c].Charge(rate, n, h.now())
	}
}

// unbound reports whether a class has no bounds, as with --dev: then nothing is counted.
func (h *Hub) unbound(c class) bool {
	return h.cfg.Rates.of(c).N < 0 && h.cfg.UserRates.of(c).N < 0
}

// tooFast counts and logs a refusal, and says how the client is told.
func (h *Hub) tooFast(q *quota, c class, payer string, now int64) error {
	h.counters.limited[c].Add(1)
	h.logUsedUp(c, payer)
	if q.others().refusals.Take(h.cfg.Refusals, 1, now) {
		return wire.ErrTooManyRequests
	}
	h.counters.cut.Add(1)
	return wire.DisconnectTooManyErrors
}

// What reading costs besides its bytes, in bytes: a frame, and a control frame that
// nobody asked for, which has to be answered or looked at. A small one costs about as
// much as a kilobyte.
const (
	frameCost   = 64
	controlCost = 512
)

// Before its connect command a client may spend an eighth of what it may later.
const beforeConnect = 8

// A background says which part of a budget, 1/conn of the connection's or 1/payer of
// the payer's, puts a connection into the background, where it waits for all others on
// a machine with something to do. The machine of a client that costs little never
// notices; many clients that cost little each are told from a crowd by their address.
type background struct{ conn, payer int }

var (
	backgroundBefore = background{16, 256} // before the connect command
	backgroundAddr   = background{16, 16}  // without a token
	backgroundUser   = background{4, 4}
)

// Spend implements netpoll.Meter: the cost of its input is charged to the connection,
// to its user, and, without a token, to its address. While one of them is in debt the
// connection is not read, so nothing that it sends is lost. An address is in debt for
// clients without a token only: whoever has one pays for itself.
func (h *Hub) Spend(c netpoll.Conn, cost netpoll.Cost) (v netpoll.Verdict) {
	if h.unbound(classInput) {
		if s := sessionOf(c); s != nil {
			in := s.connected.Load() // before its payer is read
			v.Background = h.readsBehind(&s.quota, s.payer, in)
		}
		return v
	}
	q, payer, in := h.quotaOf(c)
	if q == nil {
		return v
	}
	now, n := h.now(), cost.Bytes+cost.Inflated+frameCost*cost.Frames+controlCost*cost.Controls
	rate, part := h.cfg.Rates.Input, backgroundUser
	switch {
	case !in:
		rate, part = rate.Part(beforeConnect), backgroundBefore
	case payer.IsAddr():
		part = backgroundAddr
	}
	v.LargeBehind = true
	v.Background = h.readsBehind(q, payer, in)
	spent := func(b *budget.Bucket, rate Rate, part int) {
		b.Charge(rate, n, now)
		v.Rest = max(v.Rest, b.Debt(rate, now))
		v.Background = v.Background || v.Rest > 0 || b.Used(rate, now) > max(0, rate.N/part)
	}
	spent(&q.input, rate, part.conn)
	if a := q.account.Load(); a != nil {
		spent(&a.buckets[classInput], h.cfg.UserRates.Input, part.payer)
	}
	if a := h.addressAccount(payer, classInput); a != nil {
		spent(&a.buckets[classInput], h.cfg.addressRates.Input, part.payer)
	}
	q.back = v.Background
	if v.Rest > 0 && n > 0 {
		h.counters.limited[classInput].Add(1)
		h.logUsedUp(classInput, payer.String())
	}
	return v
}

// quotaOf is the quota of a connection, and who pays; in: it has come in, so it is
// somebody. A plain client without a token gets a quota with the first thing that it
// sends. q is nil for a connection that is not the hub's.
func (h *Hub) quotaOf(c netpoll.Conn) (q *quota, payer budget.Owner, in bool) {
	switch d := c.Data().(type) {
	case *session:
		if !d.connected.Load() { // its payer is not known yet
			return &d.quota, budget.Addr(addressOf(c)), false
		}
		return &d.quota, d.payer, true
	case *plainConn:
		return &d.quota, d.payer, true
	case nil:
		if _, ok := h.Member(c); ok {
			p := newPlainConn(c)
			return &p.quota, p.payer, true
		}
	}
	return nil, payer, false
}
