package memory

import (
	"cmp"
	"time"
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
		if !ok || !m.dropOldest(m.pool.Limit()*7/8, func(t *topic) bool { return t.payer == payer }) {
			break
		}
	}
	m.dropOldest(m.pool.Limit(), func(*topic) bool { return true })
}

// Resize implements engine.Resizer. It changes Limits.MaxTotal.
func (m *Engine) Resize(bytes int64) {
	m.pool.SetLimit(bytes)
	m.shrink()
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
	m.keys.Expire(m.now())
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
