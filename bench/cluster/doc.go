// Package cluster spreads a set of clients over worker processes and makes them one load. It also runs a bystander in a
// process of its own.
package cluster
