package room

import (
	"errors"
	"slices"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/wire"
)

// A session joins a room in four steps, and none of them waits:
//
//	reserve   the room counts the member, so that the room does not end
//	buffer    the room keeps the publications that it delivers from now on for the member
//	ask       the engine is asked for the history of the room and its top
//	resolve   under the room's lock, the reply is queued and the member takes its slot
//
// The reply has the publications that the client missed, up to the last one that the room has
// delivered. The slot is owed the publications behind that one. So no publication is lost,
// doubled or out of order, however busy the room is and however late the history comes.

// errSlowHistory is temporary, as all internal errors are.
var errSlowHistory = wire.Internal(errors.New("the engine's history came too slowly for what was published meanwhile"))

// StartJoin makes a session a member of a room. If the session cannot join, the error is an
// ErrorCode, and no methods of the Joiner were called but CanReserve, Reserve and Author.
// Otherwise Joiner.Reply is called once, perhaps before StartJoin returns. The room is nil if the
// join has failed already.
func (h *Hub) StartJoin(j *PendingJoin) (*Room, error) {
	if !j.Options.Recoverable {
		j.Since = nil
	}
	if err := h.CheckMoved(); err != nil {
		return nil, err
	}
	r, err := h.reserve(j)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.addPendingLocked(j)
	if err := j.Joiner.Check(); err != nil { // a ban or a revocation that comes later finds the join
		j.err = err
		r.resolveJoinsLocked()
		r.mu.Unlock()
		return nil, nil
	}
	r.mu.Unlock()
	if _, prompt := h.engine.(engine.Prompt); prompt && !j.Options.Recoverable {
		r.setHistory(j, engine.History{}, nil) // a client that cannot recover needs no position
		return r, nil
	}
	// An empty part asks only for the top. A client that cannot recover does not need it, but has to be told
	// that the store cannot be reached: the room would wait for it.
	part := engine.Span{Keep: h.keepOf(r.opts.Load())}
	if j.Since != nil {
		part.Behind, part.Limit, part.Places, part.Bytes = j.Since.Offset, -1, true, max(1, j.Reply.Left())
	}
	h.engine.History(j.Room, part, func(got engine.History, err error) { r.setHistory(j, got, err) })
	return r, nil
}

// reserve finds or makes the room, and reserves the membership. The error is an ErrorCode.
func (h *Hub) reserve(j *PendingJoin) (*Room, error) {
	for {
		if err := j.Joiner.CanReserve(); err != nil {
			return nil, err // before a room is made for nothing
		}
		r, err := h.roomFor(j.Room, func() budget.Owner { return j.Owner.Payer() })
		if err != nil {
			return nil, wire.Again(wire.ErrLimitExceeded, "limit exceeded: the server has as many rooms as it may, or you made as many as one may: try again later")
		}
		if err := r.chargeNotices(j); err != nil {
			return nil, err
		}
		switch err = r.reserve(j); err {
		case errEnded:
			continue
		case ErrRoomFull:
			return nil, wire.Again(wire.ErrLimitExceeded, "limit exceeded: the room has as many members as it may: try again later")
		}
		return r, err
	}
}

// reserve counts the member, and the session notes the room, both or none.
func (r *Room) reserve(j *PendingJoin) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.reserveLocked(); err != nil {
		return err
	}
	if err := j.Joiner.Reserve(r); err != nil {
		r.cancelLocked()
		return err
	}
	return nil
}

// cancelLocked takes back reserveLocked.
func (r *Room) cancelLocked() {
	if r.members--; r.members == 0 {
		r.hub.Post(func() { r.hub.endIfEmpty(r) })
	}
}

// Abandon ends a join that its session has abandoned. Its reservation and its buffered
// publications are freed at once, and not only when the engine answers.
func (r *Room) Abandon(j *PendingJoin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.err = wire.ErrInternal
	r.resolveJoinsLocked()
}

// setHistory takes the answer of the engine.
func (r *Room) setHistory(j *PendingJoin, h engine.History, err error) {
	if j.Since != nil && !j.Reply.Add(h) {
		h.Publications = nil // too large for the budget of the reply: the client does not recover
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	j.history, j.hasHistory = h, true
	if err != nil {
		j.err = wire.Internal(err)
	}
	r.resolveJoinsLocked()
}

// bufferLocked keeps a publication for the pending joins.
func (r *Room) bufferLocked(p engine.Publication) {
	if r.pending == nil {
		return
	}
	p.Data = slices.Clone(p.Data)
	for j := r.pending; j != nil; j = j.next {
		if j.bufferedBytes += engine.Cost(&p); j.bufferedBytes > r.hub.Config().MaxUnswept {
			j.buffered, j.err = nil, errSlowHistory
			continue
		}
		j.buffered = append(j.buffered, p)
	}
}

// ResumeJoins resolves joins that waited for a Latch.
func (r *Room) ResumeJoins() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resolveJoinsLocked()
}

// resolveJoinsLocked resolves the pending joins that can be resolved: their history has come, the
// room has delivered all publications that the history knows, and no current batch has the
// connection from an earlier membership of the room.
func (r *Room) resolveJoinsLocked() {
	at := &r.pending
	for j := *at; j != nil; j = *at {
		if top := j.history.Top.Epoch; top != "" && r.top.Epoch != "" && top != r.top.Epoch {
			j.err = wire.ErrInternal // the engine has begun a new epoch meanwhile; the error is temporary
		}
		behind := r.top.Epoch == "" || r.top.Offset < j.history.Top.Offset
		switch {
		case j.err == nil && (!j.hasHistory || behind || r.isInBatchLocked(j.Conn.ID())):
			at = &j.next
		case j.err == nil && j.Latch.closed():
			if !j.replied {
				r.replyToJoinLocked(j)
			}
			at = &j.next
		default:
			*at, j.next = j.next, nil
			r.finishJoinLocked(j)
		}
	}
}

// addPendingLocked adds a pending join as the last one.
func (r *Room) addPendingLocked(j *PendingJoin) {
	at := &r.pending
	for *at != nil {
		at = &(*at).next
	}
	*at = j
}

// isInBatchLocked reports whether a connection has left the room while it was in a current batch
// that has not ended.
func (r *Room) isInBatchLocked(id netpoll.ID) bool {
	return r.active != nil && r.leftInBatch[id] != nil
}

// replyToJoinLocked tells the client the outcome. From now on only publications that come after
// it are buffered.
func (r *Room) replyToJoinLocked(j *PendingJoin) {
	j.Joiner.Reply(j.recovery(r.top), nil)
	j.replied, j.buffered, j.bufferedBytes, j.history.Publications = true, nil, 0, nil
}

// finishJoinLocked ends a pending join.
func (r *Room) finishJoinLocked(j *PendingJoin) {
	if j.err == nil && j.Strict && j.Since != nil && !j.recovery(r.top).Recovered {
		j.err = wire.ErrUnrecoverablePosition
	}
	if j.Joiner.Finish(j.err) != nil {
		r.cancelLocked()
	}
}

// TakeSlot gives the member its slot, after Joiner.Reply and the publications that were buffered
// since. Only Joiner.Finish may call it, once.
func (j *PendingJoin) TakeSlot(r *Room) Member {
	if !j.replied {
		r.replyToJoinLocked(j)
	}
	for _, p := range j.buffered { // since Joiner.Reply, while the latch was closed
		if m := encode.Publication(&p, r.name, j.Kind.dialect(), nil); m.Op != 0 {
			_ = j.Conn.Push(m.Op, m.Data)
		}
	}
	return Member{r, j.Conn, j.Kind, r.takeSlotLocked(j.Conn, j.Kind)}
}
