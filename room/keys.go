package room

import (
	"container/list"
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
	pool   *budget.Pool // of keys

	mu    sync.Mutex // taken under topic.mu
	known map[keyID]*keyed
	all   list.List                   // of *keyed, the oldest first: each is kept for the same time
	paid  map[budget.Owner]*list.List // the same by payer, without the server's
}

type keyID struct{ room, key string }

type keyed struct {
	id    keyID
	pos   Position // of the message
	sum   uint64   // of its content
	end   time.Time
	payer budget.Owner

	inAll, inPaid *list.Element // inPaid is nil for the server's
}

func newKeys(window time.Duration, most int) keys {
	return keys{window: window, pool: budget.NewPool(int64(most)), seed: maphash.MakeSeed(), known: map[keyID]*keyed{}, paid: map[budget.Owner]*list.List{}}
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
	one := &keyed{id: keyID{room, m.Key}, pos: pos, sum: k.sum(m), end: now.Add(k.window), payer: m.Payer}
	k.known[one.id] = one
	one.inAll = k.all.PushBack(one)
	if one.payer != (budget.Owner{}) {
		theirs := k.paid[one.payer]
		if theirs == nil {
			theirs = list.New()
			k.paid[one.payer] = theirs
		}
		one.inPaid = theirs.PushBack(one)
	}
	k.pool.Add(one.payer, 1)
	for k.pool.Over() {
		oldest := k.all.Front()
		if payer, ok := k.pool.Largest(); ok {
			oldest = k.paid[payer].Front()
		}
		k.dropLocked(oldest.Value.(*keyed))
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
	for e := k.all.Front(); e != nil && !e.Value.(*keyed).end.After(now); e = k.all.Front() {
		k.dropLocked(e.Value.(*keyed))
	}
}

func (k *keys) dropLocked(one *keyed) {
	k.all.Remove(one.inAll)
	if one.inPaid != nil {
		theirs := k.paid[one.payer]
		if theirs.Remove(one.inPaid); theirs.Len() == 0 {
			delete(k.paid, one.payer)
		}
	}
	k.pool.Add(one.payer, -1)
	if delete(k.known, one.id); len(k.known) == 0 {
		k.known, k.paid = map[keyID]*keyed{}, map[budget.Owner]*list.List{} // Go's maps do not shrink
	}
}
