package room

import "webim/netpoll/durations"

// Stats is what a hub holds now, and what it has refused and done since its start.
type Stats struct {
	Rooms   int // with members
	Members int
	Unswept int64 // bytes published that the slowest shards have not taken, of all rooms
	Waiting int   // members whose message waits to be let in, and which are not read

	Users    int     // with a name
	Denied   int64   // commands, handshakes and messages that the rights forbid
	TooFast  TooFast // commands and messages above their Rate
	Cut      int64   // connections closed since that went on
	OverUser int64   // connections refused by MaxConnsPerUser

	Delivered int64            // messages, each counted once for each member that was offered it
	Written   durations.Counts // of these: from the room's log until the sweep's last member was offered them; see package latency
}

// TooFast counts what was refused by class; see Rates.
type TooFast struct{ Join, Send, Typing, Read, RPC, Other, Input, Fanout, Recovered int64 }

// Stats adds up all rooms.
func (h *Hub) Stats() Stats {
	c := h.meter.Counts()
	st := Stats{Users: c.Users, Denied: h.denials.Load(), Cut: c.Closed, OverUser: c.TooMany,
		Delivered: h.deliveries.Offered.Load(), Written: h.deliveries.Latency.Counts()}
	st.TooFast = TooFast{c.Refused[ClassJoin], c.Refused[ClassSend], c.Refused[ClassTyping],
		c.Refused[ClassRead], c.Refused[ClassRPC], c.Refused[ClassOther],
		c.Refused[ClassInput], c.Refused[ClassFanout], c.Refused[ClassRecovered]}
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
