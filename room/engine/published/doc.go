// Package published remembers which messages with a Key were published not long ago, so that an engine
// publishes none of them twice: see engine.Message.Key. The table is bounded, and the payers of the
// messages share it.
//
// Package published imports only packages engine, budget and snapshot.
//
// # Lock order
//
// Keys.mu is innermost, except the mutex of a budget.Pool.
package published
