package subject

import (
	"crypto/rand"
	"strings"
)

const ofMarkers = "=proof-"

// Markers are the subjects of the markers of a stream, which are messages of no effect: see package logread. Each node takes one of them.
type Markers struct {
	// Prefix begins the subjects of the stream. No name gives a subject with it that is one of a marker.
	Prefix string
	// Few is for a stream in which a message replaces an older one with its subject, and stays for ever. There are only 1,024
	// subjects then, so that markers that stay, because their node has ended, are few. If two nodes have the same one, the proof of one
	// of them may fail, and its next one has another subject.
	Few bool
}

// New returns the subject for a new marker.
func (m Markers) New() string {
	size := 12
	if m.Few {
		size = 2
	}
	return m.Prefix + ofMarkers + rand.Text()[:size]
}

// Has reports whether a subject is one of a marker.
func (m Markers) Has(subject string) bool { return strings.HasPrefix(subject, m.Prefix+ofMarkers) }
