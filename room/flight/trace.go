package flight

import (
	"strings"
	"sync"
	"time"

	"webim/netpoll"
	"webim/room"
	"webim/room/identity"
	"webim/room/wire"
)

// The limits of a trace.
const (
	MaxTrace    = 10 * time.Minute
	maxTraced   = 1000 // connections
	maxTraceLog = 200  // events, the latest
)

// A Target is the user, or the room, of a trace: one of the two.
type Target struct {
	User string `json:"user"`
	Room string `json:"room"`
}

// A TraceView is the present state of a trace. Times are in unix milliseconds.
type TraceView struct {
	Target
	Until       int64         `json:"until"`
	Connections int           `json:"connections"` // of the target on this node
	Events      []TracedEvent `json:"events"`      // the oldest first
}

// A TracedEvent is an event of a connection of the target.
type TracedEvent struct {
	Client string `json:"client"`
	User   string `json:"user"`
	Event
}

// tracing is the trace of a node, if there is one. It has sizes, kinds and codes, and no content.
type tracing struct {
	mu     sync.Mutex
	target Target
	until  time.Time
	marked map[netpoll.ID]traced
	events []TracedEvent
}

// traced is a connection of the target.
type traced struct {
	conn         netpoll.Conn
	client, user string
}

// StartTrace traces a user or a room on this node for a while, at most MaxTrace, in place of the trace before. Without
// a target it only ends that. The caller calls Mark each second.
func (r *Recorder) StartTrace(t Target, lasts time.Duration) {
	x := &r.trace
	x.mu.Lock()
	ended := x.marked
	x.target, x.marked, x.events, x.until = t, nil, nil, time.Time{}
	if t != (Target{}) {
		x.marked, x.until = map[netpoll.ID]traced{}, time.Now().Add(min(lasts, MaxTrace))
	}
	x.mu.Unlock()
	for _, one := range ended {
		one.conn.Trace(false)
	}
}

// Mark finds the connections of the target that have come since the last call. It ends a trace at the end of its time.
// It walks over the connections, so it is not for workers. Without a trace it does nothing.
func (r *Recorder) Mark(h *room.Hub, s *netpoll.Server) {
	x := &r.trace
	x.mu.Lock()
	t, until, over := x.target, x.until, x.marked != nil && time.Now().After(x.until)
	x.mu.Unlock()
	switch {
	case over:
		r.StartTrace(Target{}, 0)
		return
	case until.IsZero():
		return
	}
	for c := range s.Conns() {
		if t.has(h, c) {
			x.mark(t, c)
		}
	}
}

// has reports whether a connection belongs to the target.
func (t Target) has(h *room.Hub, c netpoll.Conn) bool {
	if t.User != "" {
		return identity.Of(c).User == t.User
	}
	if s := identity.SessionOf(c); s != nil {
		_, in := s.Membership(t.Room)
		return in
	}
	m, ok := h.Member(c)
	return ok && m.Room.Name() == t.Room
}

// mark begins to trace a connection, unless it is traced already or there are too many.
func (x *tracing) mark(t Target, c netpoll.Conn) {
	who := identity.AuthorOf(c, "")
	x.mu.Lock()
	_, known := x.marked[c.ID()]
	fits := x.marked != nil && x.target == t && !known && len(x.marked) < maxTraced
	if fits {
		x.marked[c.ID()] = traced{c, who.Client, who.User}
	}
	x.mu.Unlock()
	if fits {
		c.Trace(true)
	}
}

// Traced implements netpoll.Tracer.
func (r *Recorder) Traced(c netpoll.Conn, e netpoll.Event) {
	x := &r.trace
	x.mu.Lock()
	defer x.mu.Unlock()
	one, ok := x.marked[c.ID()]
	if !ok {
		return
	}
	if len(x.events) == maxTraceLog {
		x.events = append(x.events[:0], x.events[1:]...)
	}
	x.events = append(x.events, TracedEvent{one.client, one.user, eventOf(e)})
}

// ended notes the end of a traced connection.
func (x *tracing) ended(c netpoll.Conn, why netpoll.Closed) {
	x.mu.Lock()
	defer x.mu.Unlock()
	one, ok := x.marked[c.ID()]
	if !ok {
		return
	}
	delete(x.marked, c.ID())
	text := strings.TrimSpace(why.By.String() + ": " + why.Cause.String() + " " + why.Reason)
	x.events = append(x.events[max(0, len(x.events)-maxTraceLog+1):], TracedEvent{one.client, one.user, Event{At: millis(time.Now()), Kind: "ended", Count: 1, What: text}})
}

// Trace returns the present state of the trace; nil if there is none.
func (r *Recorder) Trace() *TraceView {
	x := &r.trace
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.marked == nil {
		return nil
	}
	return &TraceView{x.target, millis(x.until), len(x.marked), append([]TracedEvent{}, x.events...)}
}

// eventOf returns an event as operators read it.
func eventOf(e netpoll.Event) Event {
	ev := Event{At: millis(e.At), Kind: e.Kind.String(), Count: e.Count, Bytes: e.Bytes}
	switch e.Kind {
	case netpoll.EventRefusal:
		ev.What = Code(e.Code)
	case netpoll.EventCommand:
		ev.What = wire.Method(e.Code).String()
	}
	return ev
}
