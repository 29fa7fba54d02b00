package jetstream

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/logread"
)

// TestHistoryIsRemovedDuringRead removes the history of a room while another node reads it, before each of the requests of the read: the
// answer is what was there before, or what is there after that, and no error. If the node hears of it late, the read waits.
func TestHistoryIsRemovedDuringRead(t *testing.T) {
	s := startServer(t)
	var calls atomic.Int64
	var removing func()
	e := open(t, s, Config{Keep: always, sweep: time.Hour, empty: func() bool {
		if calls.Add(-1) == 0 {
			removing()
		}
		return false
	}})
	other := open(t, s, Config{Keep: always})
	c := e.class("r")
	for i, part := range []engine.Span{{Limit: 0}, {Limit: -1}, {Limit: 10, Newest: true, Before: 1000}} {
		for _, late := range []bool{false, true} {
			for n, reached := int64(1), true; reached; n++ {
				room := fmt.Sprint("r", i, late, n)
				var end engine.Position
				for range 3 {
					end = publish(t, other, room, text("x")).pos
				}
				wait := func(what string, is func() bool) { wstest.Eventually(t, room+": "+what, is) }
				known := func() bool { epoch, _ := e.epochOf(c, room); return epoch != end.Epoch }
				gone := func() bool {
					_, err := other.read.Leader().Last(t.Context(), c.Stream, c.Room(room))
					return errors.Is(err, logread.ErrNone)
				}
				reached = false
				removing = func() {
					reached = true
					removeHistory(t, other, room)
					wait("the messages are gone", gone)
					if !late {
						wait("the node knows it", known)
					}
				}
				calls.Store(n)
				h := history(t, e, room, part)
				calls.Store(0)
				before := h.Top == end && len(h.Publications) == min(3, max(part.Limit, -part.Limit*3))
				after := h.Top.Epoch != end.Epoch && h.Top.Offset >= end.Offset && len(h.Publications) == 0
				if !before && !after {
					t.Errorf("%+v, removed before request %d: %d publications up to %+v", part, n, len(h.Publications), h.Top)
				}
			}
		}
	}
}

// TestHistoryExpiresDuringRead does the same with publications that become too old, all at once.
func TestHistoryExpiresDuringRead(t *testing.T) {
	s := startServer(t)
	var calls atomic.Int64
	var expire func()
	e := open(t, s, Config{Keep: always, sweep: time.Hour, empty: func() bool {
		if calls.Add(-1) == 0 {
			expire()
		}
		return false
	}})
	other := open(t, s, Config{Keep: always})
	c := e.class("r")
	for i, part := range []engine.Span{{Limit: 0}, {Limit: -1}, {Limit: 10, Newest: true, Before: 1000}} {
		for n, reached := int64(1), true; reached; n++ {
			room := fmt.Sprint("r", i, n)
			var end engine.Position
			for range 3 {
				end = publish(t, other, room, text("x")).pos
			}
			reached = false
			expire = func() {
				reached = true
				if err := other.stream(c).Purge(t.Context()); err != nil {
					t.Error(err)
				}
				askAgain(c)
			}
			calls.Store(n)
			h := history(t, e, room, part)
			calls.Store(0)
			if all := len(h.Publications); h.Top != end || all != 0 && all != min(3, max(part.Limit, -part.Limit*3)) {
				t.Errorf("%+v, too old before request %d: %d publications up to %+v", part, n, all, h.Top)
			}
		}
	}
}
