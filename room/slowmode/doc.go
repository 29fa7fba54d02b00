// Package slowmode enforces the interval between two messages of a user in a room in slow mode. Package
// policy decides how long the interval is; the Table here remembers when each user last sent a message
// in each such room. Each node has a table of its own.
//
// Guests and owners of rooms can make entries as fast as they can send. So the table is a store that
// evicts entries (budget.Queue): each entry has an owner, and when the table is full, the owner with
// the most entries loses its oldest one. The rule: a client that fills the table evicts its own
// entries. The oldest entry of all is evicted only if no owner has more than 1/64 of the table.
//
// # Vocabulary
//
//	interval  the least time between two messages of a user in a room; 0 if the room is not in slow mode
//	entry     the last message of a user in a room that has passed
//	retry     the same message again, by its id: it passes without waiting
//
// # Lock order
//
// Table.mu is innermost: under it only the mutex of a budget.Pool is locked.
package slowmode
