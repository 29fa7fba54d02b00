package room

import (
	"slices"
	"sync/atomic"
	"time"

	"webim/room/budget"
)

// Rate bounds a flow; see budget.Rate.
type Rate = budget.Rate

// Unlimited is no bound.
var Unlimited = budget.Unlimited

// Rates are the bounds of the flows that a client causes. The first six count
// commands; the others count bytes.
type Rates struct {
	Join   Rate // subscribing
	Send   Rate // publishing, in the plain dialect too
	Typing Rate // telling that one is about to
	Read   Rate // history and presence
	RPC    Rate // calls, messages to the server, connecting and new tokens
	Other  Rate // unsubscribing, pings of the client, commands that are not known, and what may not be sent in the plain dialect

	Input     Rate // bytes read, and bytes that compressed messages inflate to; see Hub.Spend
	Fanout    Rate // bytes sent on: the size of each message, as members get it, times the members of its room on this node; typing, joins and leaves too
	Recovered Rate // bytes of publications in replies: what is recovered, and history
}

// NoRates are no bounds at all.
var NoRates = Rates{Unlimited, Unlimited, Unlimited, Unlimited, Unlimited, Unlimited, Unlimited, Unlimited, Unlimited}

// DefaultRates are those of one connection. What a client that lost its network
// does, to come back to all its rooms at once, fits in.
var DefaultRates = ratesOf(func(row budget.Row) Rate { return row.ConnRate })

// DefaultUserRates are those of all connections of a user together.
var DefaultUserRates = ratesOf(func(row budget.Row) Rate { return row.UserRate })

// flows are the rows of package budget, by class.
var flows = slices.Concat(budget.Commands, budget.Bytes)

func ratesOf(rate func(budget.Row) Rate) (all Rates) {
	for c, one := range all.byClass() {
		*one = rate(flows[c])
	}
	return all
}

// DefaultRefusals is how often a connection is told that it is too fast, before
// it is cut. A whole message of commands fits in.
var DefaultRefusals = Rate{N: 256, Per: time.Minute}

// Class is a field of Rates.
type Class uint8

const (
	ClassJoin Class = iota
	ClassSend
	ClassTyping
	ClassRead
	ClassRPC
	ClassOther
	numCommandClasses // those above count commands

	ClassInput Class = iota - 1
	ClassFanout
	ClassRecovered
	numClasses
)

func (r *Rates) byClass() [numClasses]*Rate {
	return [numClasses]*Rate{&r.Join, &r.Send, &r.Typing, &r.Read, &r.RPC, &r.Other, &r.Input, &r.Fanout, &r.Recovered}
}

// of is the rate of a class.
func (r *Rates) of(c Class) Rate { return *r.byClass()[c] }

// unbound reports whether there are no bounds at all.
func (r Rates) unbound() bool {
	for _, one := range r.byClass() {
		if one.N >= 0 {
			return false
		}
	}
	return true
}

// withDefaults fills in what is zero. Joining all rooms that a connection may
// be in is never too fast.
func (r Rates) withDefaults(def Rates, rooms int) Rates {
	defs := def.byClass()
	for i, one := range r.byClass() {
		*one = one.WithDefault(*defs[i])
	}
	if r.Join.N >= 0 {
		r.Join.N = max(r.Join.N, rooms)
	}
	return r
}

// addressRates are the rates of an address, for the flows that count bytes. They bound
// the commands that come from there, too.
func (r Rates) addressRates() Rates {
	all := NoRates
	user, addr := r.byClass(), all.byClass()
	for c := numCommandClasses; c < numClasses; c++ {
		*addr[c] = user[c].Address()
	}
	return all
}

// counters are what was refused since the start.
type counters struct {
	limited                [numClasses]atomic.Int64
	cut, denials, overUser atomic.Int64
}
