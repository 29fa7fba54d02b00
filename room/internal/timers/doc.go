// Package timers calls functions at given times, up to a second late. A timer costs an entry in a heap:
// no goroutine, and no timer of the runtime.
//
// # Lock order
//
// List.mu is innermost: nothing is locked under it, and Run calls the functions without it.
package timers
