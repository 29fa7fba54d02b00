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
	// calls t.Cleanup to end all that it has started.
	New func(t TB, l Limits) []engine.Engine
	// Forgets says that the engine forgets a room without members, with its epoch, when it was not used
	// for Limits.Age. Otherwise rooms last for ever.
	Forgets bool
	// RealKeys says that keys are known for Limits.KeyWindow of the real time, not of Limits.Clock, because
	// the store has a clock of its own.
	RealKeys bool
	// Slow lets random tests run once, not ten times, and check fewer cases than a hundred if they do not run at full size.
	Slow bool
	// Next prepares the engine that one of the nodes moves to, and returns a function that opens it when the node is frozen. The
	// engine is ready for Import. nil: the engine cannot move.
	Next func(t TB, l Limits, node engine.Engine) (open func() engine.Engine)
	// End ends an engine of Next, as the end of its process would. Refuses says that a frozen engine refuses publications, instead of letting
	// them wait.
	End     func(e engine.Engine)
	Refuses bool
	// CheckRooms, if not nil, checks the engine's own data after each step of a random test: the
	// engine must know so many rooms.
	CheckRooms func(t rapid.TB, e engine.Engine, rooms int)
	// CheckTable, if not nil, does so for the entries of a table of the State.
	CheckTable func(t rapid.TB, e engine.Engine, table string, entries int)
}

// Run checks that an engine fulfils the contracts of package engine. Each test makes engines of its
// own. Calls of the engine may be done late, and from any goroutine: the tests wait for them, and fail
// after wstest.Patience.
func Run(t *testing.T, with Implementation) {
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
		{"log/erasing a user", testErase},
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
		t.Run(one.name, func(t *testing.T) { one.test(t, with) })
	}
	RunMove(t, with)
}

// RunMove is the part of Run that moves nodes from engine to engine. Without Implementation.Next it does nothing.
func RunMove(t *testing.T, with Implementation) {
	if with.Next == nil {
		return
	}
	t.Run("move/under load", func(t *testing.T) { testMoveUnderLoad(t, with) })
	t.Run("move/rollback", func(t *testing.T) { testMoveRollback(t, with) })
	t.Run("move/state", func(t *testing.T) { testMoveState(t, with) })
}

// cluster are the nodes of an engine under test, and its clock.
type cluster struct {
	nodes  []engine.Engine
	clock  *Clock
	limits Limits
}

// start makes an engine.
func (with *Implementation) start(t TB, l Limits) *cluster {
	c := &cluster{clock: new(Clock)}
	l.Clock = c.clock
	c.limits = l
	c.nodes = with.New(t, l)
	return c
}

// node returns a node for each number.
func (c *cluster) node(i int) engine.Engine { return c.nodes[i%len(c.nodes)] }

// someNode draws a node.
func (c *cluster) someNode(t *rapid.T) int { return rapid.IntRange(0, len(c.nodes)-1).Draw(t, "node") }

// pass lets that much time pass on the engine's clock.
func (c *cluster) pass(d time.Duration) {
	c.clock.Advance(d)
	c.expire()
}

// expire makes the engine remove expired data.
func (c *cluster) expire() {
	for _, e := range c.nodes {
		if x, ok := e.(engine.Expirer); ok {
			x.Expire()
		}
	}
}
