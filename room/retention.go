package room

import (
	"cmp"
	"container/list"
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
	return l
}

// What a remembered message takes besides its data, and a topic without members
// besides its messages: both count in the total, for clients can make them grow.
const (
	entryCost = 96
	topicCost = 512
)

// costOf is what a remembered message counts.
func costOf(p Publication) int {
	n := entryCost + len(p.Data)
	if p.From != nil {
		n += entryCost + len(p.From.User) + len(p.From.ConnInfo) + len(p.From.ChanInfo)
	}
	for k, v := range p.Tags {
		n += entryCost + len(k) + len(v)
	}
	if p.CompactKey != "" {
		n += entryCost + len(p.CompactKey)
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

func classOfEntry(p Publication) retained {
	if p.CompactKey != "" || p.Skip {
		return events
	}
	return messages
}

// amount is how many entries of a class a topic remembers, and what they count
// without their places.
type amount struct{ n, bytes int }

func (a amount) within(keep Retention) bool { return a.n <= keep.Messages && a.bytes <= keep.Bytes }

// opGone marks an entry that is only a place: its event was superseded, or forgotten.
const opGone ws.OpCode = 0x20

// count adds an entry to what the topic holds, or with -1 takes it off. t.mu is held.
func (m *Memory) count(t *topic, p Publication, n int) {
	cost := costOf(p)
	m.pool.Add(t.payer, int64(n*cost))
	if p.Op == opGone {
		t.gone += n
		return
	}
	a := &t.kept[classOfEntry(p)]
	a.n += n
	a.bytes += n * (cost - entryCost)
}

// remember appends an entry. An event supersedes the one with its key. t.mu is held.
func (m *Memory) remember(t *topic, p Publication) {
	t.entries = append(t.entries, p)
	m.count(t, p, 1)
	if p.CompactKey == "" {
		return
	}
	if old, ok := t.latest[p.CompactKey]; ok {
		m.supersede(t, old)
	}
	if t.latest == nil {
		t.latest = map[string]uint64{}
	}
	t.latest[p.CompactKey] = p.Offset
}

// supersede forgets an event whose successor says all that it said.
func (m *Memory) supersede(t *topic, offset uint64) {
	i, _ := slices.BinarySearchFunc(t.entries, offset, func(p Publication, o uint64) int { return cmp.Compare(p.Offset, o) })
	m.passOver(t, i)
}

// passOver forgets an entry that nobody misses: the publication behind it names the
// one before it as its predecessor.
func (m *Memory) passOver(t *topic, i int) {
	offset, prev := t.entries[i].Offset, t.entries[i].Prev
	m.leavePlace(t, i)
	for i++; i < len(t.entries) && t.entries[i].Op == opGone; i++ {
	}
	if i < len(t.entries) && t.entries[i].Prev == offset {
		t.entries[i].Prev = prev
	}
}

// leavePlace makes an entry, which is no message, a mere place.
func (m *Memory) leavePlace(t *topic, i int) {
	p := &t.entries[i]
	m.count(t, *p, -1)
	delete(t.latest, p.CompactKey)
	*p = Publication{Message: Message{Op: opGone}, Offset: p.Offset, Time: p.Time}
	m.count(t, *p, 1)
}

// sweepPlaces removes the places when most entries are places, so that each costs
// the same in the end. t.mu is held.
func (m *Memory) sweepPlaces(t *topic) {
	if t.gone <= 16 || t.gone <= len(t.entries)/2 {
		return
	}
	t.entries = slices.DeleteFunc(t.entries, func(p Publication) bool {
		if p.Op == opGone {
			m.count(t, p, -1)
		}
		return p.Op == opGone
	})
}

// trim forgets what is over a topic's bounds. Messages go from the oldest on, with
// the events before them. Of the events the oldest quarter goes at once, so that one
// pass is enough for many; messages between them stay. t.mu is held.
func (m *Memory) trim(t *topic) {
	old := m.now().Add(-t.keep.Age)
	n, left := 0, t.kept[messages]
	for i, p := range t.entries {
		if left.within(t.keep) && !p.Time.Before(old) {
			break
		}
		n = i + 1
		if p.Op != opGone && classOfEntry(p) == messages {
			left.n, left.bytes = left.n-1, left.bytes-costOf(p)+entryCost
		}
	}
	m.forget(t, n)
	if !t.kept[events].within(t.keep) {
		fewer := Retention{Messages: t.keep.Messages * 3 / 4, Bytes: t.keep.Bytes * 3 / 4}
		for i := 0; i < len(t.entries) && !t.kept[events].within(fewer); i++ {
			switch p := &t.entries[i]; {
			case p.Skip:
				m.passOver(t, i)
			case p.CompactKey != "":
				m.leavePlace(t, i)
			}
		}
	}
	m.sweepPlaces(t)
}

// forget drops the n oldest entries; t.mu is held.
func (m *Memory) forget(t *topic, n int) {
	if n == 0 {
		return
	}
	for _, p := range t.entries[:n] {
		m.count(t, p, -1)
		if p.CompactKey != "" {
			delete(t.latest, p.CompactKey)
		}
	}
	clear(t.entries[:n])
	if t.entries = t.entries[n:]; len(t.entries) == 0 {
		t.entries, t.latest = nil, nil
	}
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
	var next *list.Element
	for e := m.recent.Front(); e != nil && m.pool.Used() > bytes; e = next {
		next = e.Next()
		if t := e.Value.(*topic); match(t) {
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
	if len(t.subs) == 0 {
		m.remove(t)
		return
	}
	m.forget(t, len(t.entries))
	m.recent.Remove(t.place)
	t.place = nil
}

// remove forgets a topic; m.mu and t.mu are held.
func (m *Memory) remove(t *topic) {
	m.forget(t, len(t.entries))
	t.dead = true
	delete(m.topics, t.name)
	m.pool.Add(t.payer, -topicCost)
	if t.place != nil {
		m.recent.Remove(t.place)
		t.place = nil
	}
}

// Expire forgets messages older than MaxAge, and rooms without members that
// were not used for so long; made anew, such a room has a new epoch. Call it
// every second or so: it looks only at what is due.
func (m *Memory) Expire() {
	m.keys.expire(m.now())
	m.expire()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	var next *list.Element
	for e := m.recent.Front(); e != nil; e = next {
		next = e.Next()
		t := e.Value.(*topic)
		if idle := now.Sub(t.touched); idle <= m.young {
			return
		} else if idle > t.age {
			m.drop(t)
		}
	}
}
