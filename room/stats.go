package room

import (
	"iter"

	"webim/netpoll/durations"
	"webim/room/engine"
	"webim/room/policy"
)

// Stats has the current numbers of a hub, and the numbers of events since its start.
type Stats struct {
	Rooms   int   // rooms with members
	Members int   // memberships in them
	Unswept int64 // bytes published that the slowest shard of each room has not taken
	Waiting int   // members that are not read because their message waits for flow control

	Users    int     // users with a name
	Denied   int64   // commands, handshakes and messages that were refused for lack of a right
	TooFast  TooFast // commands and messages above their Rate
	Cut      int64   // connections closed because they went on after such refusals
	OverUser int64   // connections refused by MaxConnsPerUser

	// Store says why the engine's store cannot be used; "" means that it can.
	Store string

	Delivered       int64            // messages offered to members, counted once for each member
	DeliveryLatency durations.Counts // times from the room's log to the last member of a sweep; see internal/latency
}

// TooFast has the numbers of refusals by class; see Rates.
type TooFast struct{ Join, Send, Typing, Read, RPC, Other, Input, Fanout, Recovered int64 }

// Stats returns the numbers of the hub. It walks all rooms.
func (h *Hub) Stats() Stats {
	c := h.meter.Counts()
	st := Stats{Users: c.Users, Denied: h.judge.Denied(), Cut: c.Closed, OverUser: c.TooMany,
		Delivered: h.deliveries.Offered.Load(), DeliveryLatency: h.deliveries.Latency.Counts()}
	st.TooFast = TooFast{c.Refused[policy.ClassJoin], c.Refused[policy.ClassSend], c.Refused[policy.ClassTyping],
		c.Refused[policy.ClassRead], c.Refused[policy.ClassRPC], c.Refused[policy.ClassOther],
		c.Refused[policy.ClassInput], c.Refused[policy.ClassFanout], c.Refused[policy.ClassRecovered]}
	st.Store, _ = h.StoreFault()
	for one := range h.Sizes() {
		st.Rooms++
		st.Members += one.Members
		st.Waiting += one.Waiting
		st.Unswept += one.Unswept
	}
	return st
}

// StoreFault reports whether the engine's store cannot be used, and why: see engine.Healther.
func (h *Hub) StoreFault() (why string, fault bool) {
	if e, can := h.engine.(engine.Healther); can {
		if ok, why := e.Health(); !ok {
			return why, true
		}
	}
	return "", false
}

// Size is the size of a room on this node.
type Size struct {
	Name    string
	Members int
	Unswept int64 // bytes published that the slowest shard has not taken
	Waiting int   // members that are not read because their message waits for flow control
}

// roomsAtOnce is how many rooms are listed under Hub.mu at a time, which takes about 10 µs.
const roomsAtOnce = 1024

// Sizes walks the rooms. It holds no lock while the caller has a Size. The walk may or may not include a
// room that begins or ends meanwhile. It is too slow for workers.
func (h *Hub) Sizes() iter.Seq[Size] {
	return func(yield func(Size) bool) {
		var some [roomsAtOnce]*Room
		for at, end := 0, 1; at < end; at += roomsAtOnce {
			h.mu.RLock()
			end = len(h.byNum)
			n := copy(some[:], h.byNum[min(at, end):])
			h.mu.RUnlock()
			for _, r := range some[:n] {
				if r != nil && !yield(r.size()) {
					return
				}
			}
		}
	}
}

func (r *Room) size() Size {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Size{Name: r.name, Members: int(r.members), Unswept: int64(r.unsweptLocked())}
	if r.active != nil {
		s.Waiting = r.waiting.Len()
	}
	return s
}
