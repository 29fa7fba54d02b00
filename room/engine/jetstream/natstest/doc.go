// Package natstest is for tests of nodes on NATS: it holds back the copy of the State of one node.
//
// # Lock order
//
// Hold.mu is innermost: nothing is locked under it.
package natstest
