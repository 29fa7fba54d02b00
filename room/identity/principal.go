package identity

import (
	"net/netip"
	"sync/atomic"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/cost"
	"webim/room/token"
)

// A Principal is the identity of a connection, and the state of its rates. A dialect embeds it in the
// data of the connection (netpoll.Conn.SetData) and calls Init first. A connection without such data is
// anonymous. The methods are safe for concurrent use, except where they say otherwise; those of
// cost.Usage have rules of their own.
type Principal struct {
	who atomic.Pointer[token.Identity] // a new token changes it
	cost.Usage
}

// Init sets the identity and the payer. It is called before the Principal is shared with another
// goroutine.
func (p *Principal) Init(who *token.Identity, payer budget.Owner) {
	p.who.Store(who)
	p.SetPayer(payer)
}

// principal finds the Principal in the data of a connection.
func (p *Principal) principal() *Principal { return p }

// Identity returns the identity of the connection. It is never nil and must not be changed.
func (p *Principal) Identity() *token.Identity { return p.who.Load() }

// Account returns the state of the rates.
func (p *Principal) Account() *cost.Usage { return &p.Usage }

// Identify sets the identity, after a connect command or with a new token.
func (p *Principal) Identify(who *token.Identity) { p.who.Store(who) }

// Update calls change with a copy of the identity and makes the result the identity. It may call change
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

// PrincipalOf returns the Principal of a connection; nil if it has none.
func PrincipalOf(c netpoll.Conn) *Principal {
	if d, ok := c.Data().(interface{ principal() *Principal }); ok {
		return d.principal()
	}
	return nil
}

// NewAnonymous makes a Principal the data of a connection without a token.
func NewAnonymous(c netpoll.Conn) *Principal {
	p := new(Principal)
	p.Init(token.Anonymous, budget.Addr(AddressOf(c)))
	c.SetData(p)
	return p
}

// Of returns the identity of a connection.
func Of(c netpoll.Conn) *token.Identity {
	if p := PrincipalOf(c); p != nil {
		return p.who.Load()
	}
	return token.Anonymous
}

// PayerOf returns the owner that pays for the data that the server keeps for a connection.
func PayerOf(c netpoll.Conn) budget.Owner {
	if p := PrincipalOf(c); p != nil {
		return p.Payer()
	}
	return budget.Addr(AddressOf(c))
}

// AddressOf returns the address of a connection, as bans by address compare it.
func AddressOf(c netpoll.Conn) netip.Addr {
	remote, _ := c.Remote()
	return remote.Addr().Unmap().WithZone("") // netip.Prefix contains no address with a zone
}
