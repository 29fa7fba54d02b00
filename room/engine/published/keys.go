package published

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/engine"
)

// Keys is the table of messages with a Key that were published not long ago. It has the position
// and a hash of the content of each. All methods are safe for concurrent use. If finding no key and
// adding one must be one step, the caller holds a lock of its own over both.
type Keys struct {
	window time.Duration
	seed   maphash.Seed

	mu    sync.Mutex // innermost
	known map[messageID]*budget.Item[entry]
	queue *budget.Queue[entry] // each stays for the same time
	lost  int64                // dropped before their time
}

type messageID struct{ room, key string }

type entry struct {
	id      messageID
	pos     engine.Position // of the message
	sum     uint64          // of its content
	moved   bool            // its content is not known: see Import
	expires time.Time
}

// New returns an empty table. It forgets a key after the window. If there are more than most keys, the
// payer with the largest share loses its oldest key.
func New(window time.Duration, most int) *Keys {
	return &Keys{window: window, seed: maphash.MakeSeed(), known: map[messageID]*budget.Item[entry]{}, queue: budget.NewQueue[entry](int64(most))}
}

// Find looks for the key of a message. known is true if the table has the key. Then err is
// ErrRepeated if the content is the same, and ErrKeyReused if it is another message.
func (k *Keys) Find(room string, m engine.Message, now time.Time) (pos engine.Position, known bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expireLocked(now)
	old, known := k.known[messageID{room, m.Key}]
	switch {
	case !known:
		return engine.Position{}, false, nil
	case !old.Value.moved && old.Value.sum != k.sum(m):
		return engine.Position{}, true, engine.ErrKeyReused
	}
	return old.Value.pos, true, engine.ErrRepeated
}

// Add adds the key of a message, which was published at pos. m.Payer pays for it. If the table has the
// key already, Add changes nothing.
func (k *Keys) Add(room string, m engine.Message, pos engine.Position, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expireLocked(now)
	id := messageID{room, m.Key}
	if k.known[id] == nil {
		k.addLocked(m.Payer, entry{id: id, pos: pos, sum: k.sum(m), expires: now.Add(k.window)})
	}
}

func (k *Keys) addLocked(payer budget.Owner, v entry) {
	k.known[v.id] = k.queue.Push(payer, v)
	for one := k.queue.Overflow(); one != nil; one = k.queue.Overflow() {
		k.dropLocked(one)
		k.lost++
	}
}

// sum hashes the content of a message, with a seed that nobody outside knows. The sender is not part
// of the content, because it is part of the key.
func (k *Keys) sum(m engine.Message) uint64 {
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

// Forget forgets all keys.
func (k *Keys) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for one := k.queue.Oldest(); one != nil; one = k.queue.Oldest() {
		k.dropLocked(one)
	}
}

// Expire forgets the keys of the messages that were published before the window.
func (k *Keys) Expire(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expireLocked(now)
}

// Lost returns the number of keys that were forgotten before their window, because there were too many.
func (k *Keys) Lost() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost
}

// Len returns the number of keys.
func (k *Keys) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.queue.Len()
}

func (k *Keys) expireLocked(now time.Time) {
	for one := k.queue.Oldest(); one != nil && !one.Value.expires.After(now); one = k.queue.Oldest() {
		k.dropLocked(one)
	}
}

func (k *Keys) dropLocked(one *budget.Item[entry]) {
	k.queue.Remove(one)
	if delete(k.known, one.Value.id); len(k.known) == 0 {
		k.known = map[messageID]*budget.Item[entry]{} // Go's maps do not shrink
	}
}
