package room

import (
	"time"

	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/policy"
)

// Notify tells a room, on all nodes, that a client joined or left. A leave is told after
// Config.LeaveDelay. If the client joins again before, neither the leave nor the join is told. Notify may
// be called with the locks of a room and of a session held.
func (h *Hub) Notify(room string, n engine.Notice) {
	if !h.moved.Load() {
		h.leaveDelays.Notify(room, n)
	}
}

// tellNotice tells the room on all nodes now.
func (h *Hub) tellNotice(room string, n engine.Notice) {
	if !h.moved.Load() {
		h.engine.Notify(room, n)
	}
}

// handleNoticeLocked sends a notice, now or later.
func (r *Room) handleNoticeLocked(n engine.Notice) {
	listeners := r.listenersLocked()
	if listeners == 0 {
		if r.active != nil && r.notices != nil {
			r.notices.Clear()
		}
		return
	}
	r.activateLocked()
	if r.notices == nil {
		r.notices = &noticeQueue{}
	}
	r.notices.Add(n, listeners, r.hub.now(), r.sendNoticeLocked)
	r.scheduleNoticesLocked()
}

// scheduleNoticesLocked schedules sendWaitingNotices if notices wait.
func (r *Room) scheduleNoticesLocked() {
	if q := r.notices; !q.scheduled && q.Waiting() > 0 {
		q.scheduled = true
		r.hub.At(time.Now().Add(q.Next(r.hub.now())), r.sendWaitingNotices)
	}
}

// sendWaitingNotices sends waiting notices, until the room is in debt again.
func (r *Room) sendWaitingNotices() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices.scheduled = false
	r.notices.Flush(r.listenersLocked(), r.hub.now(), r.sendNoticeLocked)
	r.scheduleNoticesLocked()
}

// markPresenceShownLocked notes that a presence of the room was shown.
func (r *Room) markPresenceShownLocked() {
	if r.active != nil && r.notices != nil {
		r.notices.PresenceShown(r.hub.now())
	}
}

// sendNoticeLocked appends a notice to the logs of the listening members, and returns how many
// bytes that makes for all of them.
func (r *Room) sendNoticeLocked(n engine.Notice) (bytes int) {
	return r.appendLocked(0, true, func(d encode.Dialect, dst []byte) encode.Message {
		return encode.Notice(n, r.name, d, dst)
	})
}

// listenersLocked counts the members that get notices.
func (r *Room) listenersLocked() int { return r.countSlotsLocked(Kind.Notices) }

// chargeNotices charges the owner of a join for the notices of the join and of the leave, because
// a leave cannot be refused. If the server joins the member, the owner pays, but is not refused.
// The error is ErrTooManyRequests or DisconnectTooManyErrors.
func (r *Room) chargeNotices(j *PendingJoin) error {
	if !j.Options.Notices {
		return nil
	}
	r.mu.Lock()
	listeners := r.listenersLocked()
	r.mu.Unlock()
	who := j.Joiner.Author()
	each := 2 * (policy.PushSize + len(j.Room) + who.Size())
	if j.Server {
		r.hub.meter.Charge(&j.Owner.Usage, policy.ClassFanout, each*listeners)
		return nil
	}
	return r.hub.meter.Spend(&j.Owner.Usage, policy.ClassFanout, each*listeners)
}
