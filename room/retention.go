package room

import (
	"cmp"
	"slices"
	"time"

	"github.com/gobwas/ws"
)

// Limits bound what the memory engine remembers; zero values mean the
// defaults in the comments, negative ones "nothing" for MaxMessages.
type Limits struct {
	MaxMessages int           // of a room; 0: 100
	MaxBytes    int           // of a room's messages; 0: 1 MiB
	MaxAge      time.Duration // of a message, and of a room without members or messages; 0: 5 min
	MaxTotal    int64         // bytes of all rooms; 0: 64 MiB. At the limit the room longest without use forgets first, of the payer with the largest share if one stands out
	MaxState    int64         // bytes of all entries of the State together; 0: 64 MiB. Above it nothing more is written; the last eighth is for bans and mutes
	KeyWindow   time.Duration // for which a message's key is remembered; 0: 5 min
	MaxKeys     int           // keys remembered, some 400 bytes each; 0: 65,536. Above it the oldest is forgotten, first of the payer with the largest share

	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Effective returns the limits with the defaults in place of zeros.
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

// What a remembered message takes besides its data, and a topic without members
// besides its messages: both count in the total, for clients can make them grow.
const (
	PartCost = 96
	topicCost = 512
)

// costOf is what a remembered message counts.
func Cost(p *Publication) int {
	n := PartCost + len(p.Data)
	if p.From != nil {
		n += PartCost + len(p.From.User) + len(p.From.ConnInfo) + len(p.From.ChanInfo)
	}
	for k, v := range p.Tags {
		n += PartCost + len(k) + len(v)
	}
	if p.CompactKey != "" {
		n += PartCost + len(p.CompactKey)
	}
	return n
}

// A class of entries has bounds of its own. What is not for the history has a place
// there all the same (Message.Skip): it is of the events' class, so that it takes no
// message's place.
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

// amount is how many entries of a class a journal has, and what they count without
// their places.
type amount struct{ n, bytes int32 }

func (a amount) within(keep *Retention) bool {
	return int(a.n) <= keep.Messages && int(a.bytes) <= min(keep.Bytes, maxJournal)
}

// opGone marks an entry that is only a place: its event was superseded, or forgotten.
const opGone ws.OpCode = 0x20

// cost is what the journal counts.
func (j *journal) cost() int64 {
	n := int64(j.gone) * PartCost
	for _, a := range j.kept {
		n += int64(a.n)*PartCost + int64(a.bytes)
	}
	return n
}

// count adds an entry to what the journal holds, or with -1 takes it off.
func (j *journal) count(e *entry, n int32) {
	if e.op == opGone {
		j.gone += n
		return
	}
	a := &j.kept[e.class()]
	a.n += n
	a.bytes += n * (int32(e.cost) - PartCost)
}

// remember appends a publication that came at that time of the engine's clock. An event
// supersedes the one with its key.
func (j *journal) remember(p *Publication, came int64) {
	j.append(p, came)
	j.count(&j.entries[len(j.entries)-1], 1)
	if p.CompactKey == "" {
		return
	}
	if old, ok := j.latest[p.CompactKey]; ok {
		j.passOver(j.find(old)) // its successor says all that it said
	}
	if j.latest == nil {
		j.latest = map[string]uint64{}
	}
	j.latest[p.CompactKey] = p.Offset
}

// passOver forgets an entry that nobody misses: the publication behind it names the
// one before it as its predecessor.
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

// leavePlace makes an entry, which is no message, a mere place.
func (j *journal) leavePlace(i int) {
	e := &j.live()[i]
	j.count(e, -1)
	j.forgetKey(e)
	e.op, e.has, e.prev, e.cost = opGone, 0, 0, PartCost
	j.count(e, 1)
	j.empty(e)
}

// forgetKey notes that the event of a key is no longer remembered.
func (j *journal) forgetKey(e *entry) {
	if e.has&hasKey != 0 {
		p := e.publication(j.said(e), new(Author))
		delete(j.latest, p.CompactKey)
	}
}

// sweepPlaces removes the places when most entries are places, so that each costs
// the same in the end.
func (j *journal) sweepPlaces() {
	if j.gone <= 16 || int(j.gone) <= len(j.live())/2 {
		return
	}
	left := slices.DeleteFunc(j.live(), func(e entry) bool { return e.op == opGone })
	j.entries, j.gone = j.entries[:int(j.first)+len(left)], 0
	j.shrink()
}

// trim forgets what is over a room's bounds. Messages go from the oldest on, with
// the events before them. Of the events the oldest quarter goes at once, so that one
// pass is enough for many; messages between them stay.
func (j *journal) trim(keep *Retention, now int64) {
	old := now - int64(keep.Age)
	n, left, all := 0, j.kept[messages], j.live()
	for i := range all {
		e := &all[i]
		if left.within(keep) && e.came >= old {
			break
		}
		n = i + 1
		if e.op != opGone && e.class() == messages {
			left.n, left.bytes = left.n-1, left.bytes-int32(e.cost)+PartCost
		}
	}
	j.forget(n)
	if !j.kept[events].within(keep) {
		fewer := &Retention{Messages: keep.Messages * 3 / 4, Bytes: min(keep.Bytes, maxJournal) * 3 / 4}
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

// redact takes the data from publications; see Engine.
func (j *journal) redact(offsets []uint64) {
	concerned := func(e entry) bool {
		return e.op != opGone && e.has&isSkipped == 0 && slices.Contains(offsets, e.offset)
	}
	if !slices.ContainsFunc(j.live(), concerned) {
		return
	}
	j.rewrite(func(e *entry) (p Publication, other bool) {
		if !concerned(*e) {
			return p, false
		}
		return e.publication(j.said(e), new(Author)).Redact(), true
	})
}

// shrink makes topics forget until the limit is met: those of the payer with the
// largest share while one stands out, else those of all.
//
// A walk passes over the topics of all others, some 50 ns each. So it frees an
// eighth of the limit at once, and not with each message of that payer.
func (m *Memory) shrink() {
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

// dropOldest drops topics that match, the longest without use first, until no more
// than that many bytes are held. It reports whether there was one.
func (m *Memory) dropOldest(bytes int64, match func(*topic) bool) (dropped bool) {
	var next *topic
	for t := m.recent.oldest; t != nil && m.pool.Used() > bytes; t = next {
		if next = t.newer; match(t) {
			m.drop(t)
			dropped = true
		}
	}
	return dropped
}

// drop makes a topic forget its messages; without members it goes itself.
// m.mu is held.
func (m *Memory) drop(t *topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.hasSubscribers() {
		m.remove(t)
		return
	}
	m.forgetAll(t)
	m.recent.remove(t)
}

// remove forgets a topic; m.mu and t.mu are held.
func (m *Memory) remove(t *topic) {
	m.forgetAll(t)
	t.dead = true
	m.topics.remove(t.name)
	m.pool.Add(t.payer, -topicCost)
	m.recent.remove(t)
	m.retire(t.epoch)
}

// Expire forgets messages older than MaxAge, and rooms without members that
// were not used for so long; made anew, such a room has a new epoch. Call it
// every second or so: it looks only at what is due.
func (m *Memory) Expire() {
	m.keys.expire(m.now())
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
