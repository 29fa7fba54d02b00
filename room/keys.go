package room

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"
)

// keys are the messages of the memory engine that may come again: of each its
// place, and a sum of its content. Who publishes holds the topic's lock, so that
// finding no key and adding it are one step.
type keys struct {
	window time.Duration
	most   int
	seed   maphash.Seed

	mu    sync.Mutex // taken under topic.mu
	known map[keyID]keyed
	queue []aged // the oldest first: each for the same time
}

type keyID struct{ room, key string }

type keyed struct {
	pos Position // of the message
	sum uint64   // of its content
}

type aged struct {
	id  keyID
	end time.Time
}

func newKeys(window time.Duration, most int) keys {
	return keys{window: window, most: most, seed: maphash.MakeSeed(), known: map[keyID]keyed{}}
}

// find looks for a message that came before. known: it did, or another one with
// its key; the error says which.
func (k *keys) find(room string, m Message, now time.Time) (pos Position, known bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expireLocked(now)
	old, known := k.known[keyID{room, m.Key}]
	switch {
	case !known:
		return Position{}, false, nil
	case old.sum != k.sum(m):
		return Position{}, true, ErrKeyReused
	}
	return old.pos, true, ErrRepeated
}

// add remembers a message, which find did not know.
func (k *keys) add(room string, m Message, pos Position, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) >= k.most {
		k.dropLocked(1)
	}
	id := keyID{room, m.Key}
	k.known[id] = keyed{pos, k.sum(m)}
	k.queue = append(k.queue, aged{id, now.Add(k.window)})
}

// sum is a message's content in a number that nobody outside can aim at. Who
// sends it is a part of the key.
func (k *keys) sum(m Message) uint64 {
	var h maphash.Hash
	h.SetSeed(k.seed)
	h.WriteByte(byte(m.Op))
	data, skip := m.Data, m.Skip
	if m.Said != nil {
		data, skip = m.Said, false
	}
	maphash.WriteComparable(&h, len(data))
	h.Write(data)
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		maphash.WriteComparable(&h, [2]string{name, m.Tags[name]})
	}
	maphash.WriteComparable(&h, skip)
	return h.Sum64()
}

// expire forgets what is older than the window.
func (k *keys) expire(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expireLocked(now)
}

func (k *keys) expireLocked(now time.Time) {
	n := 0
	for n < len(k.queue) && !k.queue[n].end.After(now) {
		n++
	}
	k.dropLocked(n)
}

// dropLocked forgets the n oldest. What the queue leaves behind goes when it
// grows next, or is empty.
func (k *keys) dropLocked(n int) {
	for _, one := range k.queue[:n] {
		delete(k.known, one.id)
	}
	clear(k.queue[:n])
	if k.queue = k.queue[n:]; len(k.queue) == 0 && n > 0 {
		k.queue, k.known = nil, map[keyID]keyed{}
	}
}
