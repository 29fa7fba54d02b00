package policy

import (
	"slices"
	"time"

	"webim/room/budget"
)

// Rates limit the flows that a client causes. Join to Other count commands; the others count bytes.
type Rates struct {
	Join   budget.Rate // subscribing
	Send   budget.Rate // publishing, in the plain dialect too
	Typing budget.Rate // typing notices
	Read   budget.Rate // history and presence
	RPC    budget.Rate // calls, messages to the server, connecting and new tokens
	Other  budget.Rate // unsubscribing, pings of the client, unknown commands, and messages that the plain dialect does not have

	Input     budget.Rate // bytes read, and bytes that compressed messages inflate to
	Fanout    budget.Rate // bytes sent: the size of each message, as members get it, times the members of its room on this node; typing, joins and leaves too
	Recovered budget.Rate // bytes of publications in replies: recovered messages, and history
}

// NoRates has no limits at all.
var NoRates = ratesOf(func(budget.Row) budget.Rate { return budget.Unlimited })

// DefaultRates are the rates of one connection. A client that lost its network may at once come
// back to all its rooms.
var DefaultRates = ratesOf(func(row budget.Row) budget.Rate { return row.ConnRate })

// DefaultUserRates are the rates of all connections of a user together.
var DefaultUserRates = ratesOf(func(row budget.Row) budget.Rate { return row.UserRate })

// DefaultRefusals is how often a connection may be too fast before the server closes it. It is
// enough for a whole message of commands.
var DefaultRefusals = budget.Rate{N: 256, Per: time.Minute}

// Flows are the rows of package budget, by Class.
var Flows = slices.Concat(budget.Commands, budget.Bytes)

func ratesOf(rate func(budget.Row) budget.Rate) (all Rates) {
	for c, one := range all.byClass() {
		*one = rate(Flows[c])
	}
	return all
}

// Class is a field of Rates.
type Class uint8

// The classes. Those before NumCommandClasses count commands, the others count bytes.
const (
	ClassJoin Class = iota
	ClassSend
	ClassTyping
	ClassRead
	ClassRPC
	ClassOther
	NumCommandClasses

	ClassInput Class = iota - 1
	ClassFanout
	ClassRecovered
	NumClasses
)

func (r *Rates) byClass() [NumClasses]*budget.Rate {
	return [NumClasses]*budget.Rate{&r.Join, &r.Send, &r.Typing, &r.Read, &r.RPC, &r.Other, &r.Input, &r.Fanout, &r.Recovered}
}

// Of returns the rate of a class.
func (r *Rates) Of(c Class) budget.Rate { return *r.byClass()[c] }

// Set replaces the rate of a class.
func (r *Rates) Set(c Class, rate budget.Rate) { *r.byClass()[c] = rate }

// Unlimited reports whether there are no limits at all.
func (r Rates) Unlimited() bool {
	for _, one := range r.byClass() {
		if one.N >= 0 {
			return false
		}
	}
	return true
}

// WithDefaults replaces zero rates by those of def. Joining as many rooms at once as a connection may
// be in is never too fast.
func (r Rates) WithDefaults(def Rates, rooms int) Rates {
	defs := def.byClass()
	for i, one := range r.byClass() {
		*one = one.WithDefault(*defs[i])
	}
	if r.Join.N >= 0 {
		r.Join.N = max(r.Join.N, rooms)
	}
	return r
}

// Address returns the rates of an address, for the classes that count bytes, if r are the rates of a
// user. They limit the commands from the address, too.
func (r Rates) Address() Rates {
	all := NoRates
	user, addr := r.byClass(), all.byClass()
	for c := NumCommandClasses; c < NumClasses; c++ {
		*addr[c] = user[c].Address()
	}
	return all
}
