// Package daily limits what each payer adds to a store in a day, if the store keeps it for long.
//
// # Lock order
//
// Shares.mu is innermost: nothing is locked under it.
package daily
