package room

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/token"
)

// bareHub makes a hub with a server that does not listen.
func bareHub(t testing.TB) *Hub {
	h := NewHub(Config{Engine: memory.New(memory.Limits{}), Revoked: &token.Revoked{}})
	s := netpoll.New(netpoll.Config{Logger: slog.New(slog.DiscardHandler)}, nil)
	h.Start(s)
	t.Cleanup(func() {
		s.Close()
		h.Stop()
	})
	return h
}

// stateOf writes down a hub, and members that have stayed.
func stateOf(h *Hub) []byte {
	var e snapshot.Encoder
	e.Message(1, h.Export)
	h.Stays("r", engine.Author{User: "ann", Client: "c"})
	e.Message(2, h.ExportStayed)
	return e.B
}

// restoreAll reads what stateOf has written down.
func restoreAll(h *Hub, state []byte) (err error) {
	d := snapshot.Decode(state)
	for field := d.Next(); field != 0 && err == nil; field = d.Next() {
		switch field {
		case 1:
			err = h.Restore(d.Bytes())
		case 2:
			err = h.resumeStayed(d.Bytes())
		}
	}
	if err == nil {
		err = d.Err()
	}
	return err
}

// full fills a hub: a room with a position and notices that wait, a revoked token, a wait in slow mode, and a leave that
// waits.
func full(t testing.TB, h *Hub) {
	h.mu.Lock()
	r := h.addRoomLocked("r", budget.User("ann"))
	h.mu.Unlock()
	h.roomPool.Add(r.payer, 1)
	r.mu.Lock()
	r.top = engine.Position{Epoch: "e", Offset: 7}
	r.activateLocked()
	r.notices = &noticeQueue{}
	r.mu.Unlock()
	if err := h.Config().Revoked.RevokeID("jti", time.Time{}); err != nil {
		t.Fatal(err)
	}
	var leave snapshot.Encoder
	leave.Message(1, func(e *snapshot.Encoder) {
		e.String(1, "r")
		e.Message(2, (&engine.Author{User: "bob", Client: "b"}).Encode)
		e.Time(3, time.Unix(5e9, 0))
	})
	if err := h.leaveDelays.Import(snapshot.Decode(leave.B)); err != nil {
		t.Fatal(err)
	}
}

// TestGolden checks that this program reads and writes the state of each version that it knows.
func TestGolden(t *testing.T) {
	h, again := bareHub(t), bareHub(t)
	full(t, h)
	state := wstest.Golden(t, "v1", stateOf(h))
	if err := restoreAll(again, state); err != nil {
		t.Fatal(err)
	}
	if n := again.leaveDelays.Waiting(); n != 2 {
		t.Errorf("%d leaves wait", n)
	}
	again.leaveDelays.Notify("r", engine.Notice{Who: engine.Author{Client: "c"}}) // it has come back
	if !bytes.Equal(stateOf(again), state) {
		t.Error("it is read as something else")
	}
	if r := again.existing("r"); r.top != (engine.Position{Epoch: "e", Offset: 7}) || r.payer != budget.User("ann") || again.roomPool.Held(r.payer) != 1 {
		t.Errorf("the room is %+v", r)
	}
	if err := restoreAll(again, state); err == nil {
		t.Error("a room came twice")
	}
}

// TestRestoreWithoutErasures checks that the state of an older process, which does not say which erasures it knew, makes no erasure
// concern the connections that move.
func TestRestoreWithoutErasures(t *testing.T) {
	for _, known := range []bool{false, true} {
		h := bareHub(t)
		h.engine.Put(engine.Tombstone("ann", time.Now()), func(uint64, error) {})
		var state snapshot.Encoder
		if known {
			state.Uint(6, 1)
		}
		if err := h.Restore(state.B); err != nil {
			t.Fatal(err)
		}
		erased := false
		h.control.CheckErased("ann", func() { erased = true })
		if erased != known {
			t.Errorf("the older process says what it knew: %v; ann is erased: %v", known, erased)
		}
	}
}

// FuzzRestore checks that no state makes the readers panic, and that what they read they can write.
func FuzzRestore(f *testing.F) {
	h := bareHub(f)
	full(f, h)
	f.Add(stateOf(h))
	f.Fuzz(func(t *testing.T, state []byte) {
		a, b := bareHub(t), bareHub(t)
		if restoreAll(a, state) != nil {
			return
		}
		if err := restoreAll(b, stateOf(a)); err != nil {
			t.Error(err)
		}
	})
}
