package memory

import (
	"cmp"
	"slices"
	"time"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// Limits are the limits of a memory engine. Zero values mean the defaults in the comments; a
// negative MaxMessages means that rooms have no history.
type Limits struct {
	MaxMessages int           // messages in a history; 0: 100
	MaxBytes    int           // size of a history's messages; 0: 1 MiB
	MaxAge      time.Duration // age of a message, and of a room without members since its last use; 0: 5 min
	MaxTotal    int64         // bytes of all histories and topics; 0: 64 MiB. Above it, the topic that was used longest ago is forgotten first, of the payer with the largest share if one stands out
	MaxState    int64         // bytes of all entries of the State; 0: 64 MiB. Above it, a write gets ErrStateFull; the last eighth is the reserve, see engine.Key.IsReserved
	KeyWindow   time.Duration // how long the engine keeps the key of a message; 0: 5 min
	MaxKeys     int           // number of keys, of about 400 bytes each; 0: 65,536. Above it, the oldest key is forgotten, first of the payer with the largest share

	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Effective returns the limits with the defaults instead of zeros.
func (l Limits) Effective() Limits { return l.withDefaults() }

func (l Limits) withDefaults() Limits {
	l.MaxMessages = cmp.Or(l.MaxMessages, 100)
	l.MaxBytes = cmp.Or(l.MaxBytes, 1<<20)
	l.MaxAge = cmp.Or(l.MaxAge, 5*time.Minute)
	l.MaxTotal = cmp.Or(l.MaxTotal, 64<<20)
	l.MaxState = cmp.Or(l.MaxState, 64<<20)
	l.KeyWindow = cmp.Or(l.KeyWindow, 5*time.Minute)
	l.MaxKeys = cmp.Or(l.MaxKeys, 65_536)
	if l.Now == nil {
		l.Now = time.Now
	}
	return l
}

// topicCost is the cost of a topic without members, besides its journal. It counts in the total,
// because clients can make topics.
const topicCost = 512

// retained is a class of entries. Each class has limits of its own. A message that is not for the
// history (Message.Skip) has a place there and counts as an event, so that it takes no place from
// a message.
type retained uint8

const (
	messages retained = iota
	events
	numRetained
)

func (e *entry) class() retained {
	if e.has&(hasKey|isSkipped) != 0 {
		return events
	}
	return messages
}

// amount is the number of entries of a class in a journal, and their cost without
// engine.PartCost.
type amount struct{ n, bytes int32 }

func (a amount) within(keep *engine.Retention) bool {
	return int(a.n) <= keep.Messages && int(a.bytes) <= min(keep.Bytes, maxJournal)
}

// opGone marks an entry that is only a place, because its event was superseded or forgotten.
const opGone ws.OpCode = 0x20

// cost returns the cost of the journal.
func (j *journal) cost() int64 {
	n := int64(j.gone) * engine.PartCost
	for _, a := range j.kept {
		n += int64(a.n)*engine.PartCost + int64(a.bytes)
	}
	return n
}

// count adds an entry to the amounts of the journal, or subtracts it if n is -1.
func (j *journal) count(e *entry, n int32) {
	if e.op == opGone {
		j.gone += n
		return
	}
	a := &j.kept[e.class()]
	a.n += n
	a.bytes += n * (int32(e.cost) - engine.PartCost)
}

// remember appends a publication that came at that time of the engine's clock. An event supersedes
// the event with the same CompactKey.
func (j *journal) remember(p *engine.Publication, came int64) {
	j.append(p, came)
	j.count(&j.entries[len(j.entries)-1], 1)
	if p.CompactKey == "" {
		return
	}
	if old, ok := j.latest[p.CompactKey]; ok {
		j.passOver(j.find(old)) // nobody needs it any more
	}
	if j.latest == nil {
		j.latest = map[string]uint64{}
	}
	j.latest[p.CompactKey] = p.Offset
}

// passOver forgets an entry that nobody needs: the publication after it then names the one before
// it as its predecessor.
func (j *journal) passOver(i int) {
	offset, prev := j.live()[i].offset, j.live()[i].prev
	j.leavePlace(i)
	all := j.live()
	for i++; i < len(all) && all[i].op == opGone; i++ {
	}
	if i < len(all) && all[i].prev == offset {
		all[i].prev = prev
	}
}

// leavePlace forgets the content of an entry that is not a message.
func (j *journal) leavePlace(i int) {
	e := &j.live()[i]
	j.count(e, -1)
	j.forgetKey(e)
	e.op, e.has, e.prev, e.cost = opGone, 0, 0, engine.PartCost
	j.count(e, 1)
	j.empty(e)
}

// forgetKey removes an entry from the index of events.
func (j *journal) forgetKey(e *entry) {
	if e.has&hasKey != 0 {
		p := e.publication(j.content(e), new(engine.Author))
		delete(j.latest, p.CompactKey)
	}
}

// sweepPlaces removes the places if more than half of the entries are places. So the cost of a
// removal is constant on average.
func (j *journal) sweepPlaces() {
	if j.gone <= 16 || int(j.gone) <= len(j.live())/2 {
		return
	}
	left := slices.DeleteFunc(j.live(), func(e entry) bool { return e.op == opGone })
	j.entries, j.gone = j.entries[:int(j.first)+len(left)], 0
	j.shrink()
}

// trim forgets entries above the limits: the oldest messages, with the events before them. Of the
// events, it forgets the oldest quarter at once, so that one pass is enough for many calls; messages
// between them stay.
func (j *journal) trim(keep *engine.Retention, now int64) {
	old := now - int64(keep.Age)
	n, left, all := 0, j.kept[messages], j.live()
	for i := range all {
		e := &all[i]
		if left.within(keep) && e.came >= old {
			break
		}
		n = i + 1
		if e.op != opGone && e.class() == messages {
			left.n, left.bytes = left.n-1, left.bytes-int32(e.cost)+engine.PartCost
		}
	}
	j.forget(n)
	if !j.kept[events].within(keep) {
		fewer := &engine.Retention{Messages: keep.Messages * 3 / 4, Bytes: min(keep.Bytes, maxJournal) * 3 / 4}
		for i := 0; i < len(j.live()) && !j.kept[events].within(fewer); i++ {
			switch e := &j.live()[i]; {
			case e.has&isSkipped != 0:
				j.passOver(i)
			case e.has&hasKey != 0:
				j.leavePlace(i)
			}
		}
	}
	j.sweepPlaces()
}

// forget drops the n oldest entries.
func (j *journal) forget(n int) {
	if n == 0 {
		return
	}
	for i := range j.live()[:n] {
		e := &j.live()[i]
		j.count(e, -1)
		j.forgetKey(e)
	}
	if j.drop(n); len(j.live()) == 0 {
		j.latest = nil
	}
}

// redact implements engine.Log.Redact.
func (j *journal) redact(offsets []uint64) {
	concerned := func(e entry) bool {
		return e.op != opGone && e.has&isSkipped == 0 && slices.Contains(offsets, e.offset)
	}
	if !slices.ContainsFunc(j.live(), concerned) {
		return
	}
	j.rewrite(func(e *entry) (p engine.Publication, other bool) {
		if !concerned(*e) {
			return p, false
		}
		return e.publication(j.content(e), new(engine.Author)).Redact(), true
	})
}

// shrink forgets the journals of topics until the limit is met: those of the payer with the largest
// share while one stands out, otherwise those of all.
//
// A walk skips the topics of all other payers, in about 50 ns each. So it frees an eighth of the
// limit at once, and does not run with each message of that payer.
func (m *Engine) shrink() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.pool.Over() {
		payer, ok := m.pool.Largest()
		if !ok || !m.dropOldest(m.limits.MaxTotal*7/8, func(t *topic) bool { return t.payer == payer }) {
			break
		}
	}
	m.dropOldest(m.limits.MaxTotal, func(*topic) bool { return true })
}

// dropOldest drops topics that match, the one that was used longest ago first, until the pool has at
// most that many bytes. It reports whether it has dropped one. The caller holds m.mu.
func (m *Engine) dropOldest(bytes int64, match func(*topic) bool) (dropped bool) {
	var next *topic
	for t := m.recent.oldest; t != nil && m.pool.Used() > bytes; t = next {
		if next = t.newer; match(t) {
			m.drop(t)
			dropped = true
		}
	}
	return dropped
}

// drop empties the journal of a topic, and removes the topic if it has no members. The caller holds
// m.mu.
func (m *Engine) drop(t *topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.hasSubscribers() {
		m.remove(t)
		return
	}
	m.forgetAll(t)
	m.recent.remove(t)
}

// remove removes a topic. The caller holds m.mu and t.mu.
func (m *Engine) remove(t *topic) {
	m.forgetAll(t)
	t.dead = true
	m.topics.Remove(t.name)
	m.pool.Add(t.payer, -topicCost)
	m.recent.remove(t)
	m.retire(t.epoch)
}

// Expire implements engine.Expirer. It empties the journals of topics that were not used for their
// Retention.Age, and removes those without members; such a room gets a new epoch when it is used
// again. It also removes expired entries of the State, and expired keys. It looks only at the
// oldest ones.
func (m *Engine) Expire() {
	m.idempotency.expire(m.now())
	m.expire()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock(m.now())
	var next *topic
	for t := m.recent.oldest; t != nil; t = next {
		next = t.newer
		if idle := time.Duration(now - t.touched); idle <= m.young {
			return
		} else if idle > t.keep.Load().Age {
			m.drop(t)
		}
	}
}
