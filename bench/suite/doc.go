// Package suite compares webim with its peers: it runs all servers in turns, in all scenarios that matter.
package suite
