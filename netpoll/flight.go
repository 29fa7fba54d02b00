package netpoll

import (
	"time"

	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/moving"
	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/slab"
)

// A Flight is what the server remembers of a connection besides its Info.
type Flight struct {
	HighWater int           // the most bytes that its socket has refused at a time
	RoundTrip time.Duration // of the last ping that was answered; 0: not known
	// Events are the latest events, the oldest first; 7 at most. The places for them are limited:
	// if many connections are active, those of a quiet one are forgotten. No event has content.
	Events []Event
}

// An Event is something that has happened on a connection. Equal events within a second are one.
type Event struct {
	Kind  EventKind
	At    time.Time // of the first one, to the resolution of Info
	Count int       // the number of them; 255 may be more
	Bytes int
	Code  uint16 // of EventRefusal and EventCommand: the handler's
}

// EventKind says what has happened.
type EventKind uint8

// The kinds of events.
const (
	EventMessage EventKind = iota + 1 // a message has come from the client; an answer to a ping is none
	EventFull                         // the socket took no more: Bytes wait
	EventRest                         // the Meter stopped the reading
	EventRefusal                      // the handler has refused something: see Conn.NoteRefusal
	EventSent                         // messages to the client; only for a Tracer
	EventCommand                      // a command of the client: see Conn.TraceCommand; only for a Tracer
)

var eventNames = [...]string{"", "message", "full", "rest", "refusal", "sent", "command"}

// String returns the name of the kind.
func (k EventKind) String() string { return eventNames[min(int(k), len(eventNames)-1)] }

// Flight returns what the server remembers of the connection. ok is false once the connection is gone.
// Inside Handler.Close, and inside Config.NeverOpened, it is still true.
func (c Conn) Flight() (f Flight, ok bool) {
	if !c.lock() {
		return Flight{}, false
	}
	f.RoundTrip = time.Duration(flight.Rounded(c.r.link.Own).Int()) * time.Microsecond
	if x := c.s.extras.At(c.r.extra); x != nil {
		f.HighWater = int(x.high)
	}
	c.r.mu.Unlock()
	var some [flight.Kept]flight.Event
	for _, e := range c.s.flights.Events(some[:0], uint64(c.ID())) {
		f.Events = append(f.Events, c.s.eventOf(e))
	}
	return f, true
}

// Tracer is an optional interface of a Handler that is told each event of the connections with Conn.Trace. Any
// goroutine calls Traced, also with locks of the server held: it must neither block nor call back, except
// Conn.ID.
type Tracer interface{ Traced(c Conn, e Event) }

// Trace makes the server tell the Tracer the events of the connection, or ends that.
func (c Conn) Trace(on bool) { c.setFlag(fTraced, on) }

// TraceCommand tells the Tracer a command of the client, with its size and a code of the handler. It does nothing
// without Conn.Trace.
func (c Conn) TraceCommand(code uint16, bytes int) {
	if c.Exists() && c.r.flags.Load()&fTraced != 0 {
		c.s.trace(c.r, flight.Event{Kind: uint8(EventCommand), Code: code, Bytes: uint32(bytes), Count: 1})
	}
}

// NoteRefusal notes that the handler has refused something that the client wanted, for Conn.Flight. The
// code is the handler's own.
func (c Conn) NoteRefusal(code uint16) {
	if c.Exists() {
		c.s.note(c.r, flight.Event{Kind: uint8(EventRefusal), Code: code, Count: 1})
	}
}

// note notes an event of a connection.
func (s *Server) note(r *record, e flight.Event) {
	e.At = s.clock.Last.Load()
	s.flights.Note(slab.ID(r.index, r.gen.Load()), e, s.ticks.second)
	if r.flags.Load()&fTraced != 0 {
		s.trace(r, e)
	}
}

// trace tells the Tracer an event of a connection.
func (s *Server) trace(r *record, e flight.Event) {
	if t, ok := s.handlerOf(r).(Tracer); ok {
		e.At = s.clock.Last.Load()
		s.guard("Traced", func() { t.Traced(s.conn(r), s.eventOf(e)) })
	}
}

func (s *Server) eventOf(e flight.Event) Event {
	return Event{EventKind(e.Kind), s.clock.Time(e.At), int(e.Count), int(e.Bytes), e.Code}
}

// exportFlights writes down the latest events of the connections that there are.
func (s *Server) exportFlights() (all []moving.Flight) {
	now := s.clock.Look()
	var some [flight.Kept]flight.Event
	for _, id := range s.flights.IDs() {
		if i, gen := slab.Split(id); s.slab.At(i).gen.Load() != gen {
			continue
		}
		f := moving.Flight{ID: id}
		for _, e := range s.flights.Events(some[:0], id) {
			ago := min(max(0, -s.clock.In(e.At, now)), 1<<32-1)
			f.Events = append(f.Events, moving.Event{Ago: uint32(ago), Bytes: e.Bytes, Code: e.Code, Kind: e.Kind, Count: e.Count})
		}
		all = append(all, f)
	}
	return all
}

// restoreFlights reads what exportFlights has written down.
func (s *Server) restoreFlights(all []moving.Flight) {
	now := s.clock.Look()
	for _, f := range all {
		for _, e := range f.Events {
			s.flights.Note(f.ID, flight.Event{At: s.clock.At(-int64(e.Ago), now), Bytes: e.Bytes, Code: e.Code, Kind: e.Kind, Count: e.Count}, 0)
		}
	}
}

// noteMessage notes a message of a client, unless the message answered a ping. The events of a turn are
// noted at its end, as one: see readOpen.
func (w *worker) noteMessage(bytes, answered int) {
	if w.answered != answered {
		return
	}
	w.took.Count = uint8(min(255, int(w.took.Count)+1))
	w.took.Bytes += uint32(bytes)
}

// noteTaken notes the messages of a turn.
func (s *Server) noteTaken(w *worker, r *record) {
	if w.took.Count > 0 {
		w.took.Kind = uint8(EventMessage)
		s.note(r, w.took)
		w.took = flight.Event{}
	}
}

// noteRoundTrip notes that the client has answered a ping.
func (s *Server) noteRoundTrip(r *record) {
	if w := s.workerOf(r); w != nil {
		w.answered++
	}
	took, ok := s.trips.End(slab.ID(r.index, r.gen.Load()), s.clock.Nanos())
	if !ok {
		return
	}
	r.mu.Lock()
	r.link.Own = uint16(flight.Round(max(1, took/int64(time.Microsecond))))
	r.mu.Unlock()
}

// noteFullLocked notes that the socket of a connection takes no more.
func (s *Server) noteFullLocked(r *record) {
	s.note(r, flight.Event{Kind: uint8(EventFull), Bytes: s.noteHighLocked(r), Count: 1})
}

// noteHighLocked notes the bytes that the socket has refused, and returns them.
func (s *Server) noteHighLocked(r *record) uint32 {
	x, held := s.extraLocked(r), uint32(min(1<<32-1, s.heldLocked(r)))
	x.high = max(x.high, held)
	return held
}

// closedOf returns what the handler gets to know of the end of a connection. x may be nil.
func closedOf(r *record, x *extra) Closed {
	why := Closed{Cause: r.cause, Code: r.code, By: r.cause.party()}
	if x == nil {
		return why
	}
	why.Reason = x.reason
	if x.by != 0 {
		why.By = x.by
	}
	return why
}

// neverOpened logs that a handshake took too long, and tells Config.NeverOpened.
func (s *Server) neverOpened(r *record, why Closed) {
	if why.Cause == HandshakeTimeout {
		s.refusals.Log(refusal.Late, s.addrs.AddrPort(r.ip, r.port), "")
	}
	if s.cfg().NeverOpened != nil && (why.Cause != Refused || why.Reason != "") { // without a reason it is an answer of Health
		s.guard("Config.NeverOpened", func() { s.cfg().NeverOpened(s.conn(r), why) })
	}
}
