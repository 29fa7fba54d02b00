package enginetest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room/engine"
)

// Limits are the limits of an engine under test.
type Limits struct {
	Messages, Bytes int           // of each history
	Age             time.Duration // of messages, and of rooms without members
	KeyWindow       time.Duration
	MaxState        int64
	Total           int64  // of all histories
	Clock           *Clock // the engine's clock, which stands still unless the test moves it
}

// Implementation is the engine that Run tests.
type Implementation struct {
	// New makes an engine with these limits. A zero limit means the engine's default.
	New func(l Limits) engine.Engine
	// CheckRooms, if not nil, checks the engine's own data after each step of a random test: the
	// engine must know so many rooms.
	CheckRooms func(t rapid.TB, e engine.Engine, rooms int)
	// CheckTable, if not nil, does so for the entries of a table of the State.
	CheckTable func(t rapid.TB, e engine.Engine, table string, entries int)
}

// Run checks that an engine fulfils the contracts of package engine. Each test makes engines of its
// own.
func Run(t *testing.T, with Implementation) {
	for _, one := range []struct {
		name string
		test func(*testing.T, Implementation)
	}{
		{"log/random steps", testLogOracle},
		{"log/concurrent publishers", testConcurrentPublishers},
		{"log/an offset behind the end", testHistoryBehindTheEnd},
		{"log/idempotency keys", testKeys},
		{"log/removing a history", testRemoveHistory},
		{"log/redacting", testRedact},
		{"log/events", testEvents},
		{"state/versions", testStateVersions},
		{"state/lists", testStateLists},
		{"state/expiry", testStateExpiry},
		{"state/limit", testStateLimit},
		{"state/reserve", testStateReserve},
		{"state/random steps", testStateOracle},
		{"control/messages", testControlMessages},
		{"control/members", testMembers},
	} {
		t.Run(one.name, func(t *testing.T) { one.test(t, with) })
	}
}

// expire makes the engine remove the expired entries.
func expire(e engine.Engine) {
	if x, ok := e.(engine.Expirer); ok {
		x.Expire()
	}
}
