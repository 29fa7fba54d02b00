// Package flight keeps the latest events of connections, and the round trips of their pings, in memory that
// does not grow with the number of connections.
//
//	flight.go  Recorder: the latest events, by connection
//	trips.go   Trips: pings that are not answered yet
//	round.go   Rounded: a number in two bytes
//
// A connection has its place in a table of a fixed size, by the number of its record. So connections whose
// numbers differ by a multiple of the table's size share a place, and it holds the events of the one that
// had the latest. A connection without events takes no place: an idle client loses nothing to the ones that
// talk, and takes nothing from them.
//
// # Lock order
//
//	place.mu   nothing is locked under it
package flight
