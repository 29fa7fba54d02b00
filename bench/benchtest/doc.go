// Package benchtest has servers of known behaviour for the lab's tests, and lets a test binary be a floor server or a worker process.
//
// # Lock order
//
// ChannelServer.mu and ChatServer.mu are leaves: no lock is taken under them. The servers call the functions of a test and
// write to their clients under them, so a client that does not read holds up its server.
package benchtest
