package jetstream

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

// quick makes a node notice within a short time that its copy of the State is old.
var quick = Config{stateEvery: 20 * time.Millisecond, maxStateAge: 500 * time.Millisecond}

// TestStateAges checks that a node knows when its copy of the State may be old, and when it is current again; and that
// the only node of a store always has what was confirmed.
func TestStateAges(t *testing.T) {
	s := startServer(t)
	alone := quick
	alone.Sole = true
	e, sole := open(t, s, quick), open(t, s, alone)
	wstest.Eventually(t, "the copies are current", func() bool { return !e.StateIsOld() && !sole.StateIsOld() })
	s.stop()
	wstest.Eventually(t, "the copy is old", e.StateIsOld)
	if sole.StateIsOld() {
		t.Error("the copy of the only node is old")
	}
	if ok, why := e.Health(); ok {
		t.Errorf("the node is well: %s", why)
	}
	s.start()
	wstest.Eventually(t, "the copy is current again", func() bool { ok, _ := e.Health(); return ok && !e.StateIsOld() })
}

// TestStateNeedsNoOtherStream checks that a node follows the State while another stream does not open.
func TestStateNeedsNoOtherStream(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, quick), open(t, s, Config{Keep: always})
	c := a.class("r")
	c.openMu.Lock() // its leader does not answer
	defer c.openMu.Unlock()
	a.reopen()
	a.state.Lost()
	ban := engine.Key{Table: engine.TableBan, Of: "r", Name: "eve"}
	if _, err := put(t, b, engine.Entry{Key: ban, Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "the ban comes", func() bool { return a.state.Entry(ban).Version != 0 })
}

// TestConsumerIsBehind checks that a node whose consumer lives, but does not bring what the leader has, finds that out by
// asking the leader, and makes another one.
func TestConsumerIsBehind(t *testing.T) {
	log := new(wstest.Log)
	cfg := quick
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	e := open(t, startServer(t), cfg)
	wstest.Eventually(t, "the copy is current", func() bool { return !e.StateIsOld() })
	e.state.Prove(e.state.Position()+1, time.Now().Add(-time.Minute)) // a message that never comes
	wstest.Eventually(t, "the state is read again", func() bool { return strings.Contains(log.String(), "does not bring what the leader") })
	read := time.Now()
	wstest.Eventually(t, "the copy is current again", func() bool { return e.state.Proved().After(read) })
}
