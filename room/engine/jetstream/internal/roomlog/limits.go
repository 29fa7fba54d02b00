package roomlog

import "webim/room/engine"

// The limits of the publications that a node holds of a room, and of an answer that is read from the log.
const (
	MaxRecent      = 256     // publications of each class: messages and events
	maxRecentBytes = 1 << 20 // of these
	maxPage        = 1000    // publications of an answer
	maxPageBytes   = 4 << 20 // of an answer
)

// Recent returns the limits of the recent publications of a room that keeps this much.
func Recent(keep *engine.Retention) *engine.Retention {
	recent := &engine.Retention{Messages: min(keep.Messages, MaxRecent), Bytes: min(keep.Bytes, maxRecentBytes), Age: keep.Age}
	if keep.Age <= 0 {
		recent.Age = engine.Forever
	}
	return recent
}

// IsRecent reports whether the recent publications of a room are all that it keeps.
func IsRecent(keep *engine.Retention) bool {
	return keep.Messages <= MaxRecent && keep.Bytes <= maxRecentBytes
}
