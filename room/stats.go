package room

import (
	"webim/netpoll/durations"
	"webim/room/engine"
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
	st := Stats{Users: c.Users, Denied: h.denials.Load(), Cut: c.Closed, OverUser: c.TooMany,
		Delivered: h.deliveries.Offered.Load(), DeliveryLatency: h.deliveries.Latency.Counts()}
	st.TooFast = TooFast{c.Refused[ClassJoin], c.Refused[ClassSend], c.Refused[ClassTyping],
		c.Refused[ClassRead], c.Refused[ClassRPC], c.Refused[ClassOther],
		c.Refused[ClassInput], c.Refused[ClassFanout], c.Refused[ClassRecovered]}
	st.Store, _ = h.StoreFault()
	for r := range h.eachRoom() {
		r.mu.Lock()
		st.Rooms++
		st.Members += int(r.members)
		if r.active != nil {
			st.Waiting += r.waiting.Len()
		}
		st.Unswept += int64(r.unsweptLocked())
		r.mu.Unlock()
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
