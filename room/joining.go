package room

import (
	"errors"
	"slices"
	"sync/atomic"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/wire"
)

// joining is a subscription under way. Under Room.mu.
type joining struct {
	*wanted
	next *joining // of the room
	s    *session
	kind kind
	done func(subscribed)

	told    bool                 // the outcome, while the latch is closed
	caught  []engine.Publication // delivered since it began, or since it was told
	bytes   int                  // that they take, by count
	history engine.History
	known   bool // the history has come
	err     error
}

// subscribed is how a subscription was made.
type subscribed struct {
	at        engine.Position // where the client stands; each publication that it missed takes it on
	recovered bool
	missed    []engine.Publication
}

// errSlowHistory is temporary, as all internal errors are.
var errSlowHistory = wire.Internal(errors.New("the engine's history came too slowly for what was published meanwhile"))

// tellHistory brings what the engine remembers.
func (r *Room) tellHistory(j *joining, h engine.History, err error) {
	if j.since != nil && !j.reply.take(h) {
		h.Publications = nil // so it is not recovered
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	j.history, j.known = h, true
	if err != nil {
		j.err = wire.Internal(err)
	}
	r.seatLocked()
}

// catchLocked keeps a publication for those who are joining.
func (r *Room) catchLocked(p engine.Publication) {
	if r.joining == nil {
		return
	}
	p.Data = slices.Clone(p.Data)
	for j := r.joining; j != nil; j = j.next {
		if j.bytes += engine.Cost(&p); j.bytes > r.hub.cfg.MaxUnswept {
			j.caught, j.err = nil, errSlowHistory
			continue
		}
		j.caught = append(j.caught, p)
	}
}

// A latch keeps subscriptions that are part of a connect reply from their seats
// until that is queued. Nil is open.
type latch struct{ open atomic.Bool }

func (g *latch) closed() bool { return g != nil && !g.open.Load() }

// seatLocked seats those who are joining and have what they need: the history,
// all that it knows delivered here too, and no sweep that has them in hand from
// the last time they were in the room.
func (r *Room) seatLocked() {
	at := &r.joining
	for j := *at; j != nil; j = *at {
		if top := j.history.Top.Epoch; top != "" && r.top.Epoch != "" && top != r.top.Epoch {
			j.err = wire.ErrInternal // the room has begun anew meanwhile; temporary
		}
		behind := r.top.Epoch == "" || r.top.Offset < j.history.Top.Offset
		switch {
		case j.err == nil && (!j.known || behind || r.isLeavingLocked(j.s.conn.ID())):
			at = &j.next
		case j.err == nil && j.latch.closed():
			if !j.told {
				r.tell(j)
			}
			at = &j.next
		default:
			*at, j.next = j.next, nil
			r.seatJoining(j)
		}
	}
}

// joinLocked adds a subscription to those under way.
func (r *Room) joinLocked(j *joining) {
	at := &r.joining
	for *at != nil {
		at = &(*at).next
	}
	*at = j
}

// isLeavingLocked reports whether a sweep has a batch with a connection in hand that has
// left since.
func (r *Room) isLeavingLocked(id netpoll.ID) bool { return r.active != nil && r.leaving[id] != nil }

// tell says how the subscription is made; what is published from here on comes
// after that.
func (r *Room) tell(j *joining) {
	j.done(j.outcome(r.top))
	j.told, j.caught, j.bytes, j.history.Publications = true, nil, 0, nil
}

// seatJoining ends a subscription's making.
func (r *Room) seatJoining(j *joining) {
	s := j.s
	s.mu.Lock()
	defer s.mu.Unlock()
	// It may have left meanwhile, and be coming again: then that is another's.
	i := slices.IndexFunc(s.subs, func(one sub) bool { return one.joining == j })
	if i < 0 && j.err == nil {
		j.err = wire.ErrInternal
	}
	if j.err == nil && j.strict && j.since != nil && !j.outcome(r.top).recovered {
		j.err = wire.ErrUnrecoverablePosition
	}
	if j.err != nil {
		r.quitLocked()
		if i >= 0 {
			s.subs = slices.Delete(s.subs, i, i+1)
		}
		if !j.told {
			j.done(subscribed{})
		} else if i >= 0 {
			s.disconnect(wire.DisconnectInsufficientState) // what it was told is true no more
		}
		return
	}
	if !j.told {
		r.tell(j)
	}
	for _, p := range j.caught { // while the latch was closed
		if e := encodePublication(&p, r.name, j.kind.dialect(), nil); e.op != 0 {
			_ = s.conn.Push(e.op, e.data)
		}
	}
	one := &s.subs[i]
	one.kind, one.seat = j.kind, r.sitLocked(s.conn, j.kind)
	if one.joining, one.notices = nil, j.opts.Notices; one.notices {
		r.hub.notify(r.name, engine.Notice{Who: s.authorAs(one)})
	}
}

// outcome puts the history and what was caught together. What cannot be proven
// to be all that was missed is not recovered. Who recovers stands where it said:
// a client that leaves while it takes in what it missed comes back for the rest.
func (j *joining) outcome(top engine.Position) subscribed {
	lost := subscribed{at: top}
	switch {
	case j.since == nil || j.since.Offset > top.Offset:
		return lost
	case j.since.Epoch != top.Epoch && *j.since != (engine.Position{}): // that is before the first, in any epoch
		return lost
	}
	out := subscribed{at: engine.Position{Epoch: top.Epoch, Offset: j.since.Offset}, recovered: true}
	last := j.since.Offset
	for _, p := range slices.Concat(j.history.Publications, j.caught) {
		if p.Offset <= last {
			continue // in both
		}
		if p.Prev > last {
			return lost // what was between is forgotten
		}
		out.missed = append(out.missed, p)
		last = p.Offset
	}
	if last != top.Offset {
		return lost
	}
	return out
}
