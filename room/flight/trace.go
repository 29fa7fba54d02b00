package flight

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	maxEarly    = 8    // events of a connection whose user is not known yet
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
	on     atomic.Bool // there is a trace
	mu     sync.Mutex
	target Target
	until  time.Time
	marked map[netpoll.ID]*traced
	events []TracedEvent
}

// traced is a connection of the target, or a session that may yet turn out to be one.
type traced struct {
	conn   netpoll.Conn
	client string
	who    *identity.Principal // nil: anonymous
	early  []Event             // while the user is not known
}

// user returns the user of the connection, as far as it is known. It takes no lock.
func (one *traced) user() string {
	if one.who == nil {
		return ""
	}
	return one.who.Identity().User
}

// is reports whether the connection belongs to the target.
func (one *traced) is(t Target) bool { return t.User == "" || one.user() == t.User }

// StartTrace traces a user or a room on this node for a while, at most MaxTrace, in place of the trace before. Without
// a target it only ends that. The caller calls Mark each second, and Opened for each connection.
func (r *Recorder) StartTrace(t Target, lasts time.Duration) {
	x := &r.trace
	x.mu.Lock()
	ended := x.marked
	x.target, x.marked, x.events, x.until = t, nil, nil, time.Time{}
	if t != (Target{}) {
		x.marked, x.until = map[netpoll.ID]*traced{}, time.Now().Add(min(lasts, MaxTrace))
	}
	x.on.Store(x.marked != nil)
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
	x.unmarkOthers()
	for c := range s.Conns() {
		if t.has(h, c) {
			x.mark(t, c)
		}
	}
}

// Opened traces a connection from its beginning if it belongs to the target. A session tells its user later: its events wait until
// then. Without a trace it does nothing.
func (r *Recorder) Opened(h *room.Hub, c netpoll.Conn) {
	x := &r.trace
	if !x.on.Load() {
		return
	}
	x.mu.Lock()
	t := x.target
	x.mu.Unlock()
	if t.User != "" && identity.SessionOf(c) != nil || t.has(h, c) {
		x.mark(t, c)
		x.note(c, Event{At: millis(time.Now()), Kind: "opened", Count: 1})
	}
}

// unmarkOthers ends the tracing of sessions that have turned out to be other users'.
func (x *tracing) unmarkOthers() {
	var others []netpoll.Conn
	x.mu.Lock()
	for _, one := range x.marked {
		if !one.is(x.target) {
			others = append(others, one.conn)
		}
	}
	x.mu.Unlock()
	for _, c := range others {
		if s := identity.SessionOf(c); s != nil && !s.Connected() {
			continue
		}
		c.Trace(false)
		x.mu.Lock()
		delete(x.marked, c.ID())
		x.mu.Unlock()
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
	one := &traced{conn: c, client: identity.AuthorOf(c, "").Client, who: identity.PrincipalOf(c)}
	x.mu.Lock()
	_, known := x.marked[c.ID()]
	fits := x.marked != nil && x.target == t && !known && len(x.marked) < maxTraced
	if fits {
		x.marked[c.ID()] = one
	}
	x.mu.Unlock()
	if fits {
		c.Trace(true)
	}
}

// Traced implements netpoll.Tracer.
func (r *Recorder) Traced(c netpoll.Conn, e netpoll.Event) { r.trace.note(c, eventOf(e)) }

// note notes an event of a traced connection. If the user is not known yet, the event waits.
func (x *tracing) note(c netpoll.Conn, e Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	one, ok := x.marked[c.ID()]
	switch {
	case !ok:
		return
	case !one.is(x.target):
		if one.user() == "" && len(one.early) < maxEarly {
			one.early = append(one.early, e)
		}
		return
	}
	for _, before := range one.early {
		x.addLocked(TracedEvent{one.client, one.user(), before})
	}
	one.early = nil
	x.addLocked(TracedEvent{one.client, one.user(), e})
}

// addLocked adds an event to the log, in place of the oldest one if it is full.
func (x *tracing) addLocked(e TracedEvent) {
	if len(x.events) == maxTraceLog {
		x.events = append(x.events[:0], x.events[1:]...)
	}
	x.events = append(x.events, e)
}

// refused notes a refused handshake of the target.
func (x *tracing) refused(e *end) {
	if !x.on.Load() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.marked != nil && e.user != "" && e.user == x.target.User {
		text := strings.TrimSpace(strconv.Itoa(int(e.why.Code)) + " " + e.why.Reason)
		x.addLocked(TracedEvent{"", e.user, Event{At: millis(e.at), Kind: "refused", Count: 1, What: text}})
	}
}

// ended notes the end of a traced connection.
func (x *tracing) ended(c netpoll.Conn, why netpoll.Closed) {
	if !x.on.Load() {
		return
	}
	text := strings.TrimSpace(why.By.String() + ": " + why.Cause.String() + " " + why.Reason)
	x.note(c, Event{At: millis(time.Now()), Kind: "ended", Count: 1, What: text})
	x.mu.Lock()
	delete(x.marked, c.ID())
	x.mu.Unlock()
}

// Trace returns the present state of the trace; nil if there is none.
func (r *Recorder) Trace() *TraceView {
	x := &r.trace
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.marked == nil {
		return nil
	}
	n := 0
	for _, one := range x.marked {
		if one.is(x.target) {
			n++
		}
	}
	return &TraceView{x.target, millis(x.until), n, append([]TracedEvent{}, x.events...)}
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
