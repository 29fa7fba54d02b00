// Package codec turns messages into the bytes of a log, and these into publications. It seals the personal part of a
// message with the key of its author, and opens that again: see package seal.
package codec
