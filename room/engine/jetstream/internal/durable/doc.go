// Package durable waits until messages are on the disk. Until then nobody sees a publication: neither its publisher, nor
// the members of the room. Otherwise a power cut could take back a publication that they have seen, and its offset would
// come again with another message.
package durable
