package client

import (
	"errors"
	"strings"
)

// Failures returns the handshakes that failed so far, by what went wrong, the messages that the server refused, and the open clients that it closed.
func (f *Fleet) Failures() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := make(map[string]int, len(f.failures))
	for k, v := range f.failures {
		m[k] = v
	}
	return m
}

func (f *Fleet) noteFailure(err error) {
	f.mu.Lock()
	f.failures[err.Error()]++
	f.mu.Unlock()
}

// RefusedMessage begins what Failures says of messages, which are no handshakes.
const RefusedMessage = "a message was refused: "

// GoneMessage begins what Failures says of clients that the server closed.
const GoneMessage = "an open client was closed: "

// HandshakeFailures are those of Failures that are of handshakes.
func HandshakeFailures(all map[string]int) map[string]int {
	m := map[string]int{}
	for what, n := range all {
		if !strings.HasPrefix(what, RefusedMessage) && !strings.HasPrefix(what, GoneMessage) {
			m[what] = n
		}
	}
	return m
}

func (f *Fleet) noteRefusal(why string) { f.noteFailure(errors.New(RefusedMessage + why)) }
