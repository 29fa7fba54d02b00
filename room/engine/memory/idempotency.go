package memory

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/engine"
)

// idempotency is the table of messages with a Key that were published not long ago. It stores the
// position and a hash of the content of each. A publisher holds the topic's lock, so that finding
// no key and adding one are one step. Above the limit, the payer with the largest share loses its
// oldest key.
type idempotency struct {
	window time.Duration
	seed   maphash.Seed

	mu    sync.Mutex // locked under topic.mu; innermost
	known map[messageID]*budget.Item[published]
	queue *budget.Queue[published] // each stays for the same time
}

type messageID struct{ room, key string }

type published struct {
	id      messageID
	pos     engine.Position // of the message
	sum     uint64          // of its content
	expires time.Time
}

func newIdempotency(window time.Duration, most int) idempotency {
	return idempotency{window: window, seed: maphash.MakeSeed(), known: map[messageID]*budget.Item[published]{}, queue: budget.NewQueue[published](int64(most))}
}

// find looks for the key of a message. known is true if the table has the key. Then err is
// ErrRepeated if the content is the same, and ErrKeyReused if it is another message.
func (k *idempotency) find(room string, m engine.Message, now time.Time) (pos engine.Position, known bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expireLocked(now)
	old, known := k.known[messageID{room, m.Key}]
	switch {
	case !known:
		return engine.Position{}, false, nil
	case old.Value.sum != k.sum(m):
		return engine.Position{}, true, engine.ErrKeyReused
	}
	return old.Value.pos, true, engine.ErrRepeated
}

// add adds a message with a key that is not in the table.
func (k *idempotency) add(room string, m engine.Message, pos engine.Position, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := messageID{room, m.Key}
	k.known[id] = k.queue.Push(m.Payer, published{id: id, pos: pos, sum: k.sum(m), expires: now.Add(k.window)})
	for one := k.queue.Overflow(); one != nil; one = k.queue.Overflow() {
		k.dropLocked(one)
	}
}

// sum hashes the content of a message, with a seed that nobody outside knows. The sender is not part
// of the content, because it is part of the key.
func (k *idempotency) sum(m engine.Message) uint64 {
	var h maphash.Hash
	h.SetSeed(k.seed)
	h.WriteByte(byte(m.Op))
	data, skip := m.Data, m.Skip
	if m.Original != nil {
		data, skip = m.Original, false
	}
	maphash.WriteComparable(&h, len(data))
	h.Write(data)
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		maphash.WriteComparable(&h, [2]string{name, m.Tags[name]})
	}
	maphash.WriteComparable(&h, skip)
	return h.Sum64()
}

// expire removes the messages that are older than the window.
func (k *idempotency) expire(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expireLocked(now)
}

func (k *idempotency) expireLocked(now time.Time) {
	for one := k.queue.Oldest(); one != nil && !one.Value.expires.After(now); one = k.queue.Oldest() {
		k.dropLocked(one)
	}
}

func (k *idempotency) dropLocked(one *budget.Item[published]) {
	k.queue.Remove(one)
	if delete(k.known, one.Value.id); len(k.known) == 0 {
		k.known = map[messageID]*budget.Item[published]{} // Go's maps do not shrink
	}
}
