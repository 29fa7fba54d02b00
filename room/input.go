package room

import (
	"webim/netpoll"
	"webim/room/budget"
)

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
	if h.unbound(ClassInput) {
		if s := sessionOf(c); s != nil {
			in := s.Connected() // before its payer is read
			v.Background = h.readsBehind(s.principal(), in)
		}
		return v
	}
	p, payer, in := h.spenderOf(c)
	if p == nil {
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
	v.Background = h.readsBehind(p, in)
	spent := func(b *budget.Bucket, rate Rate, part int) {
		b.Charge(rate, n, now)
		v.Rest = max(v.Rest, b.Debt(rate, now))
		v.Background = v.Background || v.Rest > 0 || b.Used(rate, now) > max(0, rate.N/part)
	}
	spent(&p.input, rate, part.conn)
	if a := p.account.Load(); a != nil {
		spent(&a.buckets[ClassInput], h.cfg.UserRates.Input, part.payer)
	}
	if a := h.addressAccount(payer, ClassInput); a != nil {
		spent(&a.buckets[ClassInput], h.cfg.addressRates.Input, part.payer)
	}
	p.back = v.Background
	if v.Rest > 0 && n > 0 {
		h.counters.limited[ClassInput].Add(1)
		h.logUsedUp(ClassInput, payer.String())
	}
	return v
}

// spenderOf is the Principal of a connection, and who pays; in: it has connected, so it
// is somebody. A connection without a token gets a Principal with the first thing that it
// sends. p is nil for a connection that is not the hub's.
func (h *Hub) spenderOf(c netpoll.Conn) (p *Principal, payer budget.Owner, in bool) {
	switch p = principalOf(c); {
	case p != nil:
		if s := sessionOf(c); s != nil && !s.Connected() { // its payer is not known yet
			return p, budget.Addr(AddressOf(c)), false
		}
		return p, p.payer, true
	default:
		if _, ok := h.Member(c); !ok {
			return nil, payer, false
		}
		p = newPrincipal(c)
		return p, p.payer, true
	}
}
