// Package stubs finds the stubs of redacted publications in the State.
//
// To redact a publication, its message is deleted from the stream. The parts that may stay, without the data, become an
// entry of the State: the stub. All that read the log put stubs back in their places.
package stubs
