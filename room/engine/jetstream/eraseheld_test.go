package jetstream

import (
	"testing"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/natstest"
)

// TestEraseBringsTheCopyUpToDate erases a user on a node whose copy of the State is held back: the call ends only when the copy has what
// others have written before, so that its caller finds all traces of the user.
func TestEraseBringsTheCopyUpToDate(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	hold := natstest.NewHold(s)
	e := openWith(t, Config{Keep: always, Connect: hold.Connect})
	publish(t, e, "r", said("ann", "x"))
	hold.Begin(t)
	trace := engine.Key{Table: engine.TableMark, Of: "ann", Name: "r"}
	if _, err := put(t, a, engine.Entry{Key: trace, Value: []byte("1"), Version: engine.AnyVersion}); err != nil {
		t.Fatal(err)
	}
	probe := retire.Probe(a.now()).Key
	before := a.state.Entry(probe).Version
	done := make(chan error, 1)
	e.Erase("ann", func(err error) { done <- err })
	wstest.Eventually(t, "the erasure waits for the copy", func() bool { return a.state.Entry(probe).Version > before || len(done) > 0 })
	if len(done) > 0 || e.state.Entry(trace).Version != 0 {
		t.Error("the erasure has ended, or the copy was not held back")
	}
	hold.End()
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
	if e.state.Entry(trace).Version == 0 {
		t.Error("the copy lacks what another node has written before the erasure")
	}
}
