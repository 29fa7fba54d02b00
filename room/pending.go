package room

import (
	"errors"
	"slices"
	"sync/atomic"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/wire"
)

// A session joins a room in four steps, none of which waits:
//
//	enter   the room counts the member in, so that the room lasts
//	catch   the room keeps what is published from now on for the member
//	ask     the engine tells the room's history and its top
//	seat    under the room's lock the reply is queued and the member gets its slot
//
// The reply has what was missed up to the last publication that the room
// delivered; the slot is owed what comes behind it. So nothing is lost, doubled
// or out of order, however busy the room is and however late the history comes.

// A PendingJoin is a session's membership of a room that is being made. The session fills
// in the exported fields, gives it to Hub.StartJoin and changes it no more.
type PendingJoin struct {
	Room    string
	Options *Options // the room's, as this member has them
	Conn    netpoll.Conn
	Kind    Kind             // of the frames that it takes
	Owner   *Principal       // who joins, and pays
	Server  bool             // the server joins it, so no budget refuses it
	Since   *engine.Position // recover from there; nil: not asked for
	Strict  bool             // no membership, and an error, if that cannot be
	Latch   *Latch           // wait there before taking the slot; nil: do not
	Reply   *ReplyBudget     // of the reply that says what was missed; nil if Since is
	Joiner  Joiner

	// Under Room.mu.
	next    *PendingJoin         // of the room
	replied bool                 // the outcome was told, while the latch is closed
	caught  []engine.Publication // delivered since it began, or since it was told
	bytes   int                  // that they take, by count
	history engine.History
	known   bool // the history has come
	err     error
}

// A Joiner is the session's part of a join. The hub calls Enter, Check, Reply and Finish
// at most once each, with Room.mu held, except Check. They must not call the hub for that
// room but where they say so.
type Joiner interface {
	// Author is the member as the room will see it. No lock is held.
	Author() engine.Author
	// MayEnter checks whether the session may have another room, this one. No lock is held.
	// It may be called several times.
	MayEnter() error
	// Enter is MayEnter and notes the pending join among the session's memberships, both or
	// none. From here on whoever ends the membership calls Room.Abandon.
	Enter(r *Room) error
	// Check judges, after Enter, what may have changed before: bans and revoked tokens. A
	// later change finds the join among the memberships.
	Check() error
	// Reply tells the client how the membership was made: what it pushes comes before
	// anything that the room sends.
	Reply(out Recovery, err error)
	// Finish ends the join. Unless err, or because the session has given the join up, it
	// calls PendingJoin.Seat and keeps the Member; else it forgets the join, replies with
	// the error unless HasReplied, and returns the error.
	Finish(err error) error
}

// Recovery is how a membership was made.
type Recovery struct {
	At        engine.Position // where the client stands; each publication that it missed takes it on
	Recovered bool
	Missed    []engine.Publication
}

// errSlowHistory is temporary, as all internal errors are.
var errSlowHistory = wire.Internal(errors.New("the engine's history came too slowly for what was published meanwhile"))

// StartJoin makes a session a member of a room. If the room cannot be entered, the error
// is an ErrorCode, and no method of the Joiner but MayEnter, Enter and Author was called;
// else Joiner.Reply is called once, perhaps before StartJoin returns. The room is nil if
// the join has failed already.
func (h *Hub) StartJoin(j *PendingJoin) (*Room, error) {
	if !j.Options.Recoverable {
		j.Since = nil
	}
	r, err := h.enter(j)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.joinLocked(j)
	if err := j.Joiner.Check(); err != nil { // only now: a ban, or a revocation, that comes later finds it
		j.err = err
		r.seatLocked()
		r.mu.Unlock()
		return nil, nil
	}
	r.mu.Unlock()
	if !j.Options.Recoverable {
		r.tellHistory(j, engine.History{}, nil) // who cannot recover need not know
		return r, nil
	}
	part := engine.Span{} // nothing: only the top is asked for
	if j.Since != nil {
		part = engine.Span{Behind: j.Since.Offset, Limit: -1, Places: true, Bytes: max(1, j.Reply.room())}
	}
	h.engine.History(j.Room, part, func(got engine.History, err error) { r.tellHistory(j, got, err) })
	return r, nil
}

// enter finds or makes the room, and counts the session in. Errors are ErrorCodes.
func (h *Hub) enter(j *PendingJoin) (*Room, error) {
	for {
		if err := j.Joiner.MayEnter(); err != nil {
			return nil, err // before a room is made for nothing
		}
		r, err := h.room(j.Room, func() budget.Owner { return j.Owner.payer })
		if err != nil {
			return nil, wire.Again(wire.ErrLimitExceeded, "limit exceeded: the server has as many rooms as it may, or you made as many as one may: try again later")
		}
		if err := r.affordNotices(j); err != nil {
			return nil, err
		}
		switch err = r.enter(j); err {
		case errEnded:
			continue
		case ErrRoomFull:
			return nil, wire.Again(wire.ErrLimitExceeded, "limit exceeded: the room has as many members as it may: try again later")
		}
		return r, err
	}
}

// enter counts the session in, and the session notes the room, both or none.
func (r *Room) enter(j *PendingJoin) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.enterLocked(); err != nil {
		return err
	}
	if err := j.Joiner.Enter(r); err != nil {
		r.quitLocked()
		return err
	}
	return nil
}

// quitLocked takes back what enterLocked did. Room.mu is held.
func (r *Room) quitLocked() {
	if r.members--; r.members == 0 {
		r.hub.Post(func() { r.hub.vacated(r) })
	}
}

// Abandon ends a join that its session has given up: it holds neither its place nor what
// it caught until the engine answers.
func (r *Room) Abandon(j *PendingJoin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.err = wire.ErrInternal
	r.seatLocked()
}

// tellHistory brings what the engine remembers.
func (r *Room) tellHistory(j *PendingJoin, h engine.History, err error) {
	if j.Since != nil && !j.Reply.take(h) {
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
	if r.pending == nil {
		return
	}
	p.Data = slices.Clone(p.Data)
	for j := r.pending; j != nil; j = j.next {
		if j.bytes += engine.Cost(&p); j.bytes > r.hub.cfg.MaxUnswept {
			j.caught, j.err = nil, errSlowHistory
			continue
		}
		j.caught = append(j.caught, p)
	}
}

// A Latch keeps joins that are part of a connect reply from their slots until that reply
// is queued. Nil is open.
type Latch struct{ open atomic.Bool }

// Open lets the joins go on. The owner then calls Room.Resume for each of their rooms.
func (l *Latch) Open() { l.open.Store(true) }

func (l *Latch) closed() bool { return l != nil && !l.open.Load() }

// Resume lets joins go on that waited at a Latch.
func (r *Room) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seatLocked()
}

// seatLocked seats those who are joining and have what they need: the history,
// all that it knows delivered here too, and no sweep that has them in hand from
// the last time they were in the room.
func (r *Room) seatLocked() {
	at := &r.pending
	for j := *at; j != nil; j = *at {
		if top := j.history.Top.Epoch; top != "" && r.top.Epoch != "" && top != r.top.Epoch {
			j.err = wire.ErrInternal // the room has begun anew meanwhile; temporary
		}
		behind := r.top.Epoch == "" || r.top.Offset < j.history.Top.Offset
		switch {
		case j.err == nil && (!j.known || behind || r.isLeavingLocked(j.Conn.ID())):
			at = &j.next
		case j.err == nil && j.Latch.closed():
			if !j.replied {
				r.replyLocked(j)
			}
			at = &j.next
		default:
			*at, j.next = j.next, nil
			r.finishLocked(j)
		}
	}
}

// joinLocked adds a join to those under way.
func (r *Room) joinLocked(j *PendingJoin) {
	at := &r.pending
	for *at != nil {
		at = &(*at).next
	}
	*at = j
}

// isLeavingLocked reports whether a sweep has a batch with a connection in hand that has
// left since.
func (r *Room) isLeavingLocked(id netpoll.ID) bool { return r.active != nil && r.leaving[id] != nil }

// replyLocked says how the membership is made; what is published from here on comes
// after that.
func (r *Room) replyLocked(j *PendingJoin) {
	j.Joiner.Reply(j.outcome(r.top), nil)
	j.replied, j.caught, j.bytes, j.history.Publications = true, nil, 0, nil
}

// finishLocked ends a join.
func (r *Room) finishLocked(j *PendingJoin) {
	if j.err == nil && j.Strict && j.Since != nil && !j.outcome(r.top).Recovered {
		j.err = wire.ErrUnrecoverablePosition
	}
	if j.Joiner.Finish(j.err) != nil {
		r.quitLocked()
	}
}

// HasReplied reports whether Joiner.Reply was called. Only Joiner.Finish may call it.
func (j *PendingJoin) HasReplied() bool { return j.replied }

// Seat makes the member one that the room's sweeps serve, after Joiner.Reply and what was
// published since. Only Joiner.Finish may call it, once.
func (j *PendingJoin) Seat(r *Room) Member {
	if !j.replied {
		r.replyLocked(j)
	}
	for _, p := range j.caught { // while the latch was closed
		if e := encodePublication(&p, r.name, j.Kind.dialect(), nil); e.op != 0 {
			_ = j.Conn.Push(e.op, e.data)
		}
	}
	return Member{r, j.Conn, j.Kind, r.sitLocked(j.Conn, j.Kind)}
}

// outcome puts the history and what was caught together. What cannot be proven
// to be all that was missed is not recovered. Who recovers stands where it said:
// a client that leaves while it takes in what it missed comes back for the rest.
func (j *PendingJoin) outcome(top engine.Position) Recovery {
	lost := Recovery{At: top}
	switch {
	case j.Since == nil || j.Since.Offset > top.Offset:
		return lost
	case j.Since.Epoch != top.Epoch && *j.Since != (engine.Position{}): // that is before the first, in any epoch
		return lost
	}
	out := Recovery{At: engine.Position{Epoch: top.Epoch, Offset: j.Since.Offset}, Recovered: true}
	last := j.Since.Offset
	for _, p := range slices.Concat(j.history.Publications, j.caught) {
		if p.Offset <= last {
			continue // in both
		}
		if p.Prev > last {
			return lost // what was between is forgotten
		}
		out.Missed = append(out.Missed, p)
		last = p.Offset
	}
	if last != top.Offset {
		return lost
	}
	return out
}
