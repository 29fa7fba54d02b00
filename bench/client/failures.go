package client

import (
	"errors"
	"strings"
)

// Failures returns how often each failure has happened so far: failed handshakes, messages that the server refused, and
// open clients that it closed.
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

// RefusedMessage is the beginning of a failure of a message.
const RefusedMessage = "a message was refused: "

// GoneMessage is the beginning of a failure of an open client.
const GoneMessage = "an open client was closed: "

// HandshakeFailures returns the failures of handshakes among those of Failures.
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
