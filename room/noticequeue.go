package room

import (
	"container/list"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/encode"
)

const (
	// noticeWriteCost is the cost of one more write to a member, in bytes.
	noticeWriteCost = 1 << 10
	// noticesEvery is the time between two sweeps of the waiting notices of a room.
	noticesEvery = time.Second
	// noticeDelay bounds the time between a join and its notice. So for this time after a
	// presence, a notice of a join may be about a client that the presence has shown.
	noticeDelay = 10 * time.Second
	// maxNotices is the largest number of notices that wait in a room on a node. One more makes
	// the room send the oldest.
	maxNotices = 4096
)

// noticeRate limits the cost of the join and leave notices of a room on a node: the size of each
// notice times the members that get it. While the room is in debt, new notices wait.
var noticeRate = Rate{N: 8 << 20, Per: time.Second}

// A noticeQueue tells the listening members which clients joined and left. Each join and each
// leave makes the server write to all listening members, so a few clients could make it write all
// the time. While the notices of a room cost less than noticeRate, each is sent at once, at its
// position among the messages. Otherwise notices wait, in their order, for one sweep each second.
// If a client leaves before its join was sent, neither is sent, unless a presence has shown the
// client meanwhile: the client that asked for the presence has to learn that it left.
//
// So members are told of the join of a client and then of its leave, or of neither. A list that
// begins with a presence and follows the notices is correct in the end. Guarded by Room.mu.
type noticeQueue struct {
	bucket     budget.Bucket
	waiting    list.List                // of Notice
	unshown    map[string]*list.Element // by client: waiting joins that no presence has shown
	shownUntil int64                    // until then a join may be that of a client that a presence has shown
	scheduled  bool                     // a call of sendWaitingNotices is scheduled
}

// handleNoticeLocked sends a notice, now or later.
func (r *Room) handleNoticeLocked(n engine.Notice) {
	listeners := r.listenersLocked()
	if listeners == 0 {
		if r.active != nil && r.notices != nil {
			r.notices.removeAll()
		}
		return
	}
	r.activateLocked()
	if r.notices == nil {
		r.notices = &noticeQueue{}
	}
	q, now := r.notices, r.hub.now()
	if q.waiting.Len() == 0 && q.bucket.Debt(noticeRate, now) == 0 {
		q.bucket.Charge(noticeRate, noticeWriteCost*listeners+r.sendNoticeLocked(n), now)
		return
	}
	if e := q.unshown[n.Who.Client]; n.Left && e != nil {
		q.remove(e)
		return
	}
	e := q.waiting.PushBack(n)
	if !n.Left && now >= q.shownUntil {
		if q.unshown == nil {
			q.unshown = map[string]*list.Element{}
		}
		q.unshown[n.Who.Client] = e
	}
	if q.waiting.Len() > maxNotices { // not charged, or the waiting notices would never be sent
		r.sendNoticeLocked(q.remove(q.waiting.Front()))
	}
	r.scheduleNoticesLocked()
}

// removeAll drops the waiting notices. While no member listens, no notice is kept. A join that
// waited since before would be sent to the next listener, but its leave would not.
func (q *noticeQueue) removeAll() {
	q.waiting.Init()
	q.unshown = nil
}

// remove removes a waiting notice.
func (q *noticeQueue) remove(e *list.Element) engine.Notice {
	n := q.waiting.Remove(e).(engine.Notice)
	if q.unshown[n.Who.Client] == e {
		delete(q.unshown, n.Who.Client)
	}
	return n
}

// scheduleNoticesLocked schedules sendWaitingNotices for the time when the debt is paid, but at
// least noticesEvery from now.
func (r *Room) scheduleNoticesLocked() {
	q := r.notices
	if q.scheduled || q.waiting.Len() == 0 {
		return
	}
	q.scheduled = true
	r.hub.At(time.Now().Add(max(noticesEvery, q.bucket.Debt(noticeRate, r.hub.now()))), r.sendWaitingNotices)
}

// sendWaitingNotices sends waiting notices, until the room is in debt again.
func (r *Room) sendWaitingNotices() {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, now := r.notices, r.hub.now()
	q.scheduled = false
	for q.waiting.Len() > 0 && q.bucket.Debt(noticeRate, now) == 0 {
		q.bucket.Charge(noticeRate, r.sendNoticeLocked(q.remove(q.waiting.Front())), now)
	}
	q.bucket.Charge(noticeRate, noticeWriteCost*r.listenersLocked(), now) // one sweep writes all of them
	r.scheduleNoticesLocked()
}

// markPresenceShownLocked notes that a presence of the room was shown.
func (r *Room) markPresenceShownLocked() {
	if r.active == nil {
		return
	}
	if q := r.notices; q != nil {
		q.unshown, q.shownUntil = nil, r.hub.now()+int64(noticeDelay)
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
func (r *Room) listenersLocked() int { return r.countSlotsLocked(Kind.notices) }

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
	each := 2 * (pushSize + len(j.Room) + who.Size())
	if j.Server {
		r.hub.meter.Charge(&j.Owner.Usage, ClassFanout, each*listeners)
		return nil
	}
	return r.hub.meter.Spend(&j.Owner.Usage, ClassFanout, each*listeners)
}
