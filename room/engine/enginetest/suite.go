package enginetest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room/engine"
)

// TB is a test of package testing or of package rapid.
type TB interface {
	rapid.TB
	Cleanup(func())
}

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
	// New makes an engine with these limits and an empty store, and returns its nodes, at least one.
	// Tests publish on one node and read on another. A zero limit means the engine's default. New
	// calls t.Cleanup to end what it has started.
	New func(t TB, l Limits) []engine.Engine
	// Clock says that New uses Limits.Clock. Otherwise tests wait for a few seconds of the real time,
	// and random tests let no time pass.
	Clock bool
	// Slow lets random tests run once, not ten times.
	Slow bool
	// Without names the tests that the engine cannot pass, and says why.
	Without map[string]string
	// CheckRooms, if not nil, checks the engine's own data after each step of a random test: the
	// engine must know so many rooms.
	CheckRooms func(t rapid.TB, e engine.Engine, rooms int)
	// CheckTable, if not nil, does so for the entries of a table of the State.
	CheckTable func(t rapid.TB, e engine.Engine, table string, entries int)
}

// Run checks that an engine fulfils the contracts of package engine. Each test makes engines of its
// own. Calls of the engine may be done late, and from any goroutine: the tests wait for them, and fail
// after Patience.
func Run(t *testing.T, with Implementation) {
	left := 0
	for _, one := range []struct {
		name string
		test func(*testing.T, Implementation)
	}{
		{"log/random steps", testLogOracle},
		{"log/concurrent publishers", testConcurrentPublishers},
		{"log/an offset behind the end", testHistoryBehindTheEnd},
		{"log/idempotency keys", testKeys},
		{"log/age", testAge},
		{"log/removing a history", testRemoveHistory},
		{"log/redacting", testRedact},
		{"log/events", testEvents},
		{"state/versions", testStateVersions},
		{"state/concurrent writers", testStateConcurrentWriters},
		{"state/lists", testStateLists},
		{"state/expiry", testStateExpiry},
		{"state/limit", testStateLimit},
		{"state/reserve", testStateReserve},
		{"state/random steps", testStateOracle},
		{"control/messages", testControlMessages},
		{"control/members", testMembers},
	} {
		if why, without := with.Without[one.name]; without {
			t.Logf("without %q: %s", one.name, why)
			left++
			continue
		}
		t.Run(one.name, func(t *testing.T) { one.test(t, with) })
	}
	if left != len(with.Without) {
		t.Errorf("Without names a test that does not exist: %v", with.Without)
	}
}

// cluster are the nodes of an engine under test, and its clock.
type cluster struct {
	nodes []engine.Engine
	clock *Clock // nil: the engine has the real time
}

// start makes an engine.
func (with *Implementation) start(t TB, l Limits) *cluster {
	c := &cluster{}
	if with.Clock {
		c.clock = new(Clock)
		l.Clock = c.clock
	}
	c.nodes = with.New(t, l)
	return c
}

// age returns an age that passes soon, and is long enough for a few calls before that.
func (with *Implementation) age() time.Duration {
	if !with.Clock {
		return 3 * time.Second
	}
	return time.Minute
}

// node returns a node for each number.
func (c *cluster) node(i int) engine.Engine { return c.nodes[i%len(c.nodes)] }

// someNode draws a node.
func (c *cluster) someNode(t *rapid.T) int { return rapid.IntRange(0, len(c.nodes)-1).Draw(t, "node") }

// now returns the time for the engine.
func (c *cluster) now() time.Time {
	if c.clock == nil {
		return time.Now()
	}
	return c.clock.Now()
}

// pass lets that much time pass on the engine's clock. With the real time it does nothing: whoever
// calls it waits for the effect.
func (c *cluster) pass(d time.Duration) {
	if c.clock != nil {
		c.clock.Advance(d)
		c.expire()
	}
}

// expire makes the engine remove expired data.
func (c *cluster) expire() {
	for _, e := range c.nodes {
		if x, ok := e.(engine.Expirer); ok {
			x.Expire()
		}
	}
}
