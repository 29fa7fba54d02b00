// Package natstest is for tests on NATS: it starts a server, and it holds back the copy of the State of one node.
//
// # Lock order
//
// Hold.mu is innermost: nothing is locked under it.
package natstest
