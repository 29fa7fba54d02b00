// Package budget counts what clients make a server spend, and decides when it is
// enough.
//
//	pool.go  Pool: a stock that owners share, such as the bytes of a store
package budget
