// Package users is the registry of the sessions that have connected, by their users. A user takes about
// 60 bytes, and 8 bytes for each connection. Anonymous sessions are only counted.
//
// The rule: a session is registered at most once, and never after it was removed, so that no control
// message finds a connection that has ended.
//
// # Lock order
//
// Table.mu is innermost: nothing is locked under it. It also guards each [Entry] of its sessions.
package users
