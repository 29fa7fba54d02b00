// Package codes knows the numbers by which nats-server tells why it has refused a request. They come in two forms: package acks reads
// them from an answer, and the client library returns them in its errors.
package codes

import (
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// full are the codes that say that there is no space.
var full = []jetstream.ErrorCode{
	10002, // of the account
	10023, // of the account or the server: a reserved space, or a limit of the account in a cluster
	10047, // of the server
	10077, // of the stream
}

// IsFull reports whether a code says that there is no space for a message.
func IsFull(code jetstream.ErrorCode) bool { return slices.Contains(full, code) }

// IsWrongSequence reports whether a code says that a message has named another last sequence than its stream or its subject has.
func IsWrongSequence(code jetstream.ErrorCode) bool {
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// IsRollup reports whether a code says that a message has asked for a rollup that its stream does not do.
func IsRollup(code jetstream.ErrorCode) bool { return code == 10111 }

// IsAbsent reports whether a message was not deleted because there is none with its sequence.
func IsAbsent(e *jetstream.APIError) bool {
	return e.ErrorCode == 10043 || e.ErrorCode == 10057 && e.Description == "no message found"
}

// Of returns the code in an error of the client library; 0: it has none.
func Of(err error) jetstream.ErrorCode {
	var refused *jetstream.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode
	}
	return 0
}
