// Package ids makes the ids by which the store knows messages with a Key again, and limits their number.
//
// # Lock order
//
// Limit.mu is innermost, except the mutex of a budget.Pool.
package ids
