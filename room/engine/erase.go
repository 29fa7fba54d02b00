package engine

import (
	"encoding/binary"
	"time"
)

// Eraser is an engine that can erase a user.
type Eraser interface {
	// Erase makes everything that a user has said unreadable for ever: in all rooms, on all nodes, and
	// in every copy of the log that was made before, such as a backup without its keys. As much is left
	// of each message as of a redacted one: see Publication.Redact. What the user says later on this node is
	// readable. Another node may still use the old key for a moment, and then the message is unreadable, too.
	//
	// Then the engine writes a tombstone, an entry of TableErased, and each node calls
	// Subscriber.Erased for the rooms in which it has found something of the user. done is called when
	// this node no longer shows anything, and its copy of the State has everything that was written before the
	// call; other nodes follow a moment later. After an error, call Erase again. The rest of the State is the
	// caller's concern: see package chat.
	Erase(user string, done func(error))
}

// tombstoneTime is how long a tombstone is kept. A node that has lost its connection for longer does not
// learn of the erasure until it reads the messages again.
const tombstoneTime = 30 * 24 * time.Hour

// Tombstone returns the entry of TableErased that says that a user was erased at a time.
func Tombstone(user string, at time.Time) Entry {
	return Entry{Key: Key{Table: TableErased, Of: user}, Version: AnyVersion, Value: binary.AppendVarint(nil, at.UnixNano()), Expires: at.Add(tombstoneTime)}
}

// ErasedAt returns the time in the value of an entry of TableErased.
func ErasedAt(value []byte) time.Time {
	at, n := binary.Varint(value)
	if n <= 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}
