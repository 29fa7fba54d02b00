package room

import (
	"container/list"
	"time"

	"webim/room/budget"
	"webim/room/engine"
)

const (
	// noticeWrite is what one more write to a member costs, as bytes.
	noticeWrite = 1 << 10
	// noticesEvery is how often a room tells the notices that wait, in one sweep.
	noticesEvery = time.Second
	// noticeDelay bounds how long after a join its notice comes: a presence that was
	// asked for since then may have shown the client.
	noticeDelay = 10 * time.Second
	// maxNotices is how many wait in a room on a node. Beyond that the oldest is told.
	maxNotices = 4096
)

// noticeRate is what the join and leave notices of a room may cost on a node: the size
// of each times the members that are told. A notice that comes to a room in debt waits.
var noticeRate = Rate{N: 8 << 20, Per: time.Second}

// A noticeQueue tells members who came and went. Each client that comes and goes makes
// the server write to all that listen, so few could make it write without end. While a
// room's notices cost less than noticeRate each is told at once, in its place among the
// messages. Otherwise they wait, in their order, for one sweep a second. A client that
// has left before its join was told is not told at all, unless somebody looked at the
// room's presence meanwhile: whoever saw the client there has to learn that it left.
//
// So members are told of a client's join, then of its leave, or of neither; and a list
// that begins with a presence and follows the notices is right in the end. Guarded by
// Room.mu.
type noticeQueue struct {
	spent     budget.Bucket
	waiting   list.List                // of Notice
	unseen    map[string]*list.Element // joins that wait and that no presence has shown, by client
	presented int64                    // until then a presence may have shown who is told to join
	timed     bool                     // a sweep will come
}

// noticedLocked tells a notice, now or later.
func (r *Room) noticedLocked(n engine.Notice) {
	listeners := r.listenersLocked()
	if listeners == 0 {
		if r.active != nil && r.notices != nil {
			r.notices.forgetAll()
		}
		return
	}
	r.activateLocked()
	if r.notices == nil {
		r.notices = &noticeQueue{}
	}
	q, now := r.notices, r.hub.now()
	if q.waiting.Len() == 0 && q.spent.Debt(noticeRate, now) == 0 {
		q.spent.Charge(noticeRate, noticeWrite*listeners+r.tellNoticeLocked(n), now)
		return
	}
	if e := q.unseen[n.Who.Client]; n.Left && e != nil {
		q.forget(e)
		return
	}
	e := q.waiting.PushBack(n)
	if !n.Left && now >= q.presented {
		if q.unseen == nil {
			q.unseen = map[string]*list.Element{}
		}
		q.unseen[n.Who.Client] = e
	}
	if q.waiting.Len() > maxNotices { // not charged: or those that wait would never be told
		r.tellNoticeLocked(q.forget(q.waiting.Front()))
	}
	r.timeNoticesLocked()
}

// forgetAll drops what waits. While nobody listens, no notice is kept; so a join that
// waited since before, and would be told to the next listener, would have no leave.
func (q *noticeQueue) forgetAll() {
	q.waiting.Init()
	q.unseen = nil
}

// forget takes a notice out of those that wait.
func (q *noticeQueue) forget(e *list.Element) engine.Notice {
	n := q.waiting.Remove(e).(engine.Notice)
	if q.unseen[n.Who.Client] == e {
		delete(q.unseen, n.Who.Client)
	}
	return n
}

// timeNoticesLocked lets a sweep come when the debt is paid, and in noticesEvery at the
// earliest.
func (r *Room) timeNoticesLocked() {
	q := r.notices
	if q.timed || q.waiting.Len() == 0 {
		return
	}
	q.timed = true
	r.hub.At(time.Now().Add(max(noticesEvery, q.spent.Debt(noticeRate, r.hub.now()))), r.tellNotices)
}

// tellNotices tells those that wait, until the room is in debt again.
func (r *Room) tellNotices() {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, now := r.notices, r.hub.now()
	q.timed = false
	for q.waiting.Len() > 0 && q.spent.Debt(noticeRate, now) == 0 {
		q.spent.Charge(noticeRate, r.tellNoticeLocked(q.forget(q.waiting.Front())), now)
	}
	q.spent.Charge(noticeRate, noticeWrite*r.listenersLocked(), now) // the log's sweep writes once for all of them
	r.timeNoticesLocked()
}

// presentedLocked notes that somebody has seen who is in the room.
func (r *Room) presentedLocked() {
	if r.active == nil {
		return
	}
	if q := r.notices; q != nil {
		q.unseen, q.presented = nil, r.hub.now()+int64(noticeDelay)
	}
}

// tellNoticeLocked appends a notice to the logs of those that listen, and returns how
// many bytes that makes for all of them.
func (r *Room) tellNoticeLocked(n engine.Notice) (bytes int) {
	return r.appendLocked(0, true, func(dialect int, dst []byte) encoded { return encodeNotice(n, r.name, dialect, dst) })
}

// listenersLocked is how many members are told who comes and goes.
func (r *Room) listenersLocked() int { return r.seatsLocked(Kind.notices) }

// affordNotices charges what it will cost to tell that a member joined a room, and that
// it left: the leave cannot be refused. A member that the server joins pays, and is not
// refused either. The error is ErrTooManyRequests or DisconnectTooManyErrors.
func (r *Room) affordNotices(j *PendingJoin) error {
	if !j.Options.Notices {
		return nil
	}
	r.mu.Lock()
	listeners := r.listenersLocked()
	r.mu.Unlock()
	who := j.Joiner.Author()
	each := 2 * (pushSize + len(j.Room) + who.Size())
	if j.Server {
		r.hub.charge(j.Owner, ClassFanout, each*listeners)
		return nil
	}
	return r.hub.affordEach(j.Owner, each, listeners)
}
