// Package peer builds and starts the servers of other projects that webim is compared with.
package peer
