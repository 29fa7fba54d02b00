// Package cost charges clients for the work that they cause, and decides when a client has to stop,
// wait or yield to others. Package budget has the arithmetic, and the table of all budgets with their
// defaults; package policy has the classes. This package has the state: the use by each connection,
// user and address.
//
//	meter.go       Meter: commands are allowed or refused; refusals are counted and logged
//	usage.go       Usage: the use by one connection
//	account.go     the use by all connections of a user, or of an address
//	bytes.go       bytes are charged; the costs of what a reply reads
//	input.go       the bytes that a client sends: when it is not read, when it waits in the background
//	reply.go       Reply: the limits for the publications in a reply
//	background.go  large replies: how other clients get their turn meanwhile
//	move.go        the use goes on in another process, in a live upgrade
//
// # The rule
//
// Every cost that a client can cause is charged in its own unit, to the connection and to its user or
// address, before it is caused or right after. An idle connection has a Usage and, if it has a user, a
// part of the user's account. It has no other memory here.
//
// # Vocabulary
//
//	class       a kind of cost (policy.Class): a kind of command, or a kind of bytes
//	rate        the limit of a class: for a connection, a user or an address
//	cost        units of a class: one command, or a number of bytes
//	charge      count a cost, even if it exceeds the rate
//	spend       charge a cost, but only if there is no debt
//	debt        how long it takes until a cost that exceeded the rate is paid
//	payer       the owner (budget.Owner) that pays together with the connection: a user or an address
//	account     the use by all connections of an owner on this node
//	background  where the turns of a connection wait for those of all others (netpoll.Treatment)
//
// # Lock order
//
// accounts.mu → the mutex of a timers.List. Nothing else is locked under accounts.mu. The caller of a
// Meter may hold the locks of a session or Room.mu.
package cost
