// Package stamp writes and reads a stamp: the first 16 bytes of a payload, which carry the message's number and the tag of the run.
package stamp
