package live

import (
	"time"

	"webim/room/flight"
	"webim/room/name"
)

// trace starts or ends the trace of a user or a room on this node, and leaves a line in the audit log. It needs a key.
func (f *Feed) trace(w *watcher, q *traceQuest) {
	if w.who != nil || f.cfg.Flights == nil {
		w.end(f, CodeDenied, "a trace needs a key of the server API")
		return
	}
	t := q.Target
	t.Room = name.Normal(t.Room)
	if t.User != "" && t.Room != "" || q.Seconds < 0 || q.Seconds > int(flight.MaxTrace/time.Second) {
		w.end(f, CodeBadRequest, "a trace names a user or a room, and at most 600 seconds")
		return
	}
	f.cfg.Logger.Info("audit", "action", "trace", "by", "key "+w.key.Name, "room", t.Room, "target", t.User, "seconds", q.Seconds)
	f.cfg.Flights.StartTrace(t, time.Duration(q.Seconds)*time.Second)
}

// markTraced traces the connections of the target that have come since the last tick.
func (f *Feed) markTraced() {
	if f.cfg.Flights != nil {
		f.cfg.Flights.Mark(f.cfg.Hub, f.shown)
	}
}

// endTrace ends the trace when nobody watches any more.
func (f *Feed) endTrace() {
	if f.cfg.Flights != nil && f.cfg.Flights.Trace() != nil {
		f.cfg.Flights.StartTrace(flight.Target{}, 0)
	}
}

func (f *Feed) traceView() *flight.TraceView {
	if f.cfg.Flights == nil {
		return nil
	}
	return f.cfg.Flights.Trace()
}
