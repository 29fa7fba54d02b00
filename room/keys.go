package room

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"webim/room/budget"
)

// keys are the messages of the memory engine that may come again: of each its
// position, and a sum of its content. A publisher holds the topic's lock, so that
// finding no key and adding it are one step. Beyond the limit the payer with the
// largest share loses its oldest key.
type keys struct {
	window time.Duration
	seed   maphash.Seed

	mu    sync.Mutex // taken under topic.mu
	known map[keyID]*budget.Item[keyed]
	queue *budget.Queue[keyed] // each is kept for the same time
}

type keyID struct{ room, key string }

type keyed struct {
	id  keyID
	pos Position // of the message
	sum uint64   // of its content
	end time.Time
}

func newKeys(window time.Duration, most int) keys {
	return keys{window: window, seed: maphash.MakeSeed(), known: map[keyID]*budget.Item[keyed]{}, queue: budget.NewQueue[keyed](int64(most))}
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
	case old.Value.sum != k.sum(m):
		return Position{}, true, ErrKeyReused
	}
	return old.Value.pos, true, ErrRepeated
}

// add remembers a message, which find did not know.
func (k *keys) add(room string, m Message, pos Position, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := keyID{room, m.Key}
	k.known[id] = k.queue.Push(m.Payer, keyed{id: id, pos: pos, sum: k.sum(m), end: now.Add(k.window)})
	for one := k.queue.Overflow(); one != nil; one = k.queue.Overflow() {
		k.dropLocked(one)
	}
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
	for one := k.queue.Oldest(); one != nil && !one.Value.end.After(now); one = k.queue.Oldest() {
		k.dropLocked(one)
	}
}

func (k *keys) dropLocked(one *budget.Item[keyed]) {
	k.queue.Remove(one)
	if delete(k.known, one.Value.id); len(k.known) == 0 {
		k.known = map[keyID]*budget.Item[keyed]{} // Go's maps do not shrink
	}
}
