package cost

import (
	"net/netip"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/policy"
)

// The cost of input besides its bytes, in bytes: of a frame, and of a control frame that answers none of
// the server's. To handle a small control frame takes about as long as to read a kilobyte.
const (
	frameCost   = 64
	controlCost = 512
)

// beforeConnect is the part of its input rate that a client may use before its connect command: 1/8.
const beforeConnect = 8

// A background says when input moves a connection to the background: when the connection has used 1/conn
// of its rate, or the payer 1/payer of its own. On a server that is not busy, that changes nothing. A
// client that costs little is never moved; many such clients at one address are.
type background struct{ conn, payer int }

var (
	backgroundBefore = background{16, 256} // before the connect command
	backgroundAddr   = background{16, 16}  // without a token
	backgroundUser   = background{4, 4}
)

// Read charges a connection for its input, with its user and, if it has no token, its address. While one
// of them is in debt, the connection is not read, so nothing that it sends is lost. A client with a token
// never waits for the debt of its address. Only the connection's turn may call Read.
func (m *Meter) Read(u *Usage, input netpoll.Cost) netpoll.Treatment {
	u.background = u.turnOver || m.readsMuch(u)
	part := backgroundUser
	if u.payer.IsAddr() {
		part = backgroundAddr
	}
	return m.chargeInput(u, u.payer, m.limits.Load().conn[policy.ClassInput], part, input)
}

// ReadBeforeConnect is Read before the connect command has been answered: the address of the client pays.
func (m *Meter) ReadBeforeConnect(u *Usage, addr netip.Addr, input netpoll.Cost) netpoll.Treatment {
	u.background = u.turnOver
	var payer budget.Owner
	if m.Limits(policy.ClassInput) {
		payer = budget.Addr(addr)
	}
	return m.chargeInput(u, payer, m.limits.Load().conn[policy.ClassInput].Part(beforeConnect), backgroundBefore, input)
}

// chargeInput charges the connection, by a rate of its own, its user and the payer if that is an address.
func (m *Meter) chargeInput(u *Usage, payer budget.Owner, rate budget.Rate, part background, input netpoll.Cost) netpoll.Treatment {
	v := netpoll.Treatment{Background: u.background}
	if !m.Limits(policy.ClassInput) {
		return v
	}
	v.LargeBehind = true
	now, n := m.now(), input.Bytes+input.Inflated+frameCost*input.Frames+controlCost*input.Controls
	charge := func(b *budget.Bucket, rate budget.Rate, part int) {
		b.Charge(rate, n, now)
		v.Rest = max(v.Rest, b.Debt(rate, now))
		v.Background = v.Background || v.Rest > 0 || b.Used(rate, now) > max(0, rate.N/part)
	}
	charge(&u.input, rate, part.conn)
	if a := u.account.Load(); a != nil {
		charge(&a.buckets[policy.ClassInput], m.limits.Load().user[policy.ClassInput], part.payer)
	}
	if a := m.addressAccount(payer, policy.ClassInput); a != nil {
		charge(&a.buckets[policy.ClassInput], m.limits.Load().addr[policy.ClassInput], part.payer)
	}
	u.background = v.Background
	if v.Rest > 0 && n > 0 {
		m.countRefused(policy.ClassInput, payer.String())
	}
	return v
}
