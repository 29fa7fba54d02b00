// Package cluster spreads a set of clients over worker processes and makes them one load.
package cluster
