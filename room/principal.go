package room

import (
	"sync/atomic"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/judge"
	"webim/room/policy"
	"webim/room/token"
)

// A Principal is the identity of a connection, and the state of its rates. A dialect
// embeds it in the data of the connection (netpoll.Conn.SetData) and calls Init first. A connection
// without such data is anonymous. The methods are safe for concurrent use, except where they say
// otherwise; those of cost.Usage have rules of their own.
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

// principal returns p. The hub uses it to find the Principal in the data of a connection.
func (p *Principal) principal() *Principal { return p }

// Identity returns the identity of the connection. It is never nil and must not be changed.
func (p *Principal) Identity() *token.Identity { return p.who.Load() }

// Account returns the state of the rates.
func (p *Principal) Account() *cost.Usage { return &p.Usage }

// Identify sets the identity, after a connect command or with a new token. Once the connection has
// joined a room, the user must stay the same.
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

// principalOf returns the Principal of a connection; nil if it has none.
func principalOf(c netpoll.Conn) *Principal {
	if d, ok := c.Data().(interface{ principal() *Principal }); ok {
		return d.principal()
	}
	return nil
}

// IdentityOf returns the identity of a connection.
func IdentityOf(c netpoll.Conn) *token.Identity {
	if p := principalOf(c); p != nil {
		return p.who.Load()
	}
	return token.Anonymous
}

// payerOfConn returns the owner that pays for the data that the server keeps for a connection.
func payerOfConn(c netpoll.Conn) budget.Owner {
	if p := principalOf(c); p != nil {
		return p.Payer()
	}
	return budget.Addr(judge.AddressOf(c))
}

// newPrincipal makes a Principal the data of a connection without a token.
func newPrincipal(c netpoll.Conn) *Principal {
	p := new(Principal)
	p.Init(token.Anonymous, budget.Addr(judge.AddressOf(c)))
	c.SetData(p)
	return p
}

// Meter returns the meter that charges the clients of the hub.
func (h *Hub) Meter() *cost.Meter { return h.meter }

// Spend implements netpoll.Meter. A plain connection without a token gets a Principal with the first
// bytes that it sends.
func (h *Hub) Spend(c netpoll.Conn, input netpoll.Cost) netpoll.Treatment {
	p, s := principalOf(c), SessionOf(c)
	switch {
	case s != nil && !s.Connected(): // its payer is not known yet
		return h.meter.ReadBeforeConnect(&p.Usage, judge.AddressOf(c), input)
	case s == nil && !h.meter.Limits(policy.ClassInput): // a plain connection causes no large replies either
		return netpoll.Treatment{}
	case p == nil:
		if _, member := h.Member(c); !member {
			return netpoll.Treatment{}
		}
		p = newPrincipal(c)
	}
	return h.meter.Read(&p.Usage, input)
}

// spendFanout charges a client for a message that the server sends to all members of a room on this node.
// r is nil if there are none. The error is that of cost.Meter.Spend.
func (h *Hub) spendFanout(p *Principal, r *Room, m engine.Message) error {
	if r == nil {
		return nil
	}
	return h.meter.Spend(&p.Usage, policy.ClassFanout, policy.SentSize(&m, r.name)*r.Len())
}
