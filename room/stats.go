package room

import (
	"iter"
	"time"

	"webim/netpoll/durations"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/name"
	"webim/room/policy"
	"webim/room/wire"
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
	Sweeps          int64            // sweeps of shards of rooms
	Swept           int64            // messages of these sweeps, counted once for each sweep

	Published      int64            // messages passed to the engine by this node
	PublishFailed  int64            // of them, those that the engine has not published because of a fault of its own
	PublishLatency durations.Counts // times until the engine has answered, of one message in publishSample
}

// TooFast has the numbers of refusals by class; see Rates.
type TooFast struct{ Join, Send, Typing, Read, RPC, Other, Input, Fanout, Recovered int64 }

// Stats returns the numbers of the hub. It walks all rooms.
func (h *Hub) Stats() Stats {
	c := h.meter.Counts()
	st := Stats{Users: c.Users, Denied: h.judge.Denied(), Cut: c.Closed, OverUser: c.TooMany,
		Delivered: h.deliveries.Offered.Load(), DeliveryLatency: h.deliveries.Latency.Counts(),
		Sweeps: h.deliveries.Sweeps.Load(), Swept: h.deliveries.Swept.Load(),
		Published: h.published.all.Load(), PublishFailed: h.published.failed.Load(), PublishLatency: h.published.took.Counts()}
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

// Collect asks all nodes for their NodeInfo. The error is a wire.ErrorCode.
func (h *Hub) Collect(q engine.Question, done func([]engine.NodeInfo, error)) {
	h.engine.Collect(q, func(all []engine.NodeInfo, err error) {
		if err != nil {
			err = wire.Internal(err)
		}
		done(all, err)
	})
}

// Info implements engine.Node.
func (h *Hub) Info(q engine.Question) engine.NodeInfo {
	sessions, anonymous, named := h.control.Count()
	c := engine.NodeInfo{Node: h.id, Version: h.Config().Version, Uptime: time.Since(h.started), Clients: sessions, Users: named, Rooms: map[string]int{}}
	plain := 0
	for _, r := range h.Rooms() {
		r.mu.Lock()
		members := int(r.members)
		plain += r.countSlotsLocked(func(k Kind) bool { return k.dialect() == encode.Plain })
		r.mu.Unlock()
		c.Channels++
		c.Members += members
		if q.Rooms != "" && name.Match(q.Rooms, r.name) {
			c.Rooms[r.name] = members
		}
	}
	if q.Ended != "" && h.Config().Ended != nil {
		c.Ended = h.Config().Ended(q.Ended)
	}
	c.Clients += plain
	if plain+anonymous > 0 {
		c.Users++
	}
	return c
}

// Node returns the name of this node, which is new after each start.
func (h *Hub) Node() string { return h.id }
