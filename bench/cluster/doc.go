// Package cluster spreads a set of clients over worker processes and makes them one load. It also runs a bystander in a
// process of its own.
//
// # Lock order
//
//	floodRun.mu    →  caller.mu, Cluster.mu
//	server.mu      →  the locks of packages load and client
//	server.writing →  nothing; it is held while a reply is written to the pipe
//	caller.mu      →  nothing; it is held while a request is written to the pipe
//	Cluster.mu     →  nothing
package cluster
