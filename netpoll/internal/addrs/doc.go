// Package addrs counts the connections of each client address, and gives each address its share of
// slots that are few.
//
//	file          contents
//	addrs.go      Table: counts, limits and slots by address
//	forwarded.go  the client's address behind a listed proxy, from X-Forwarded-For
//
// # Words
//
//	word       meaning
//	exempt     without a limit: loopback, Unix sockets and listed proxies
//	listed     a proxy of the configuration, which is believed when it names its client
//	client     the address that a limit counts: an IPv4 address, or the /64 of an IPv6 address
//	slot       one of a limited number of something, of which an address may have a quarter
//
// # Lock order
//
//	Table.mu  nothing is locked under it
package addrs
