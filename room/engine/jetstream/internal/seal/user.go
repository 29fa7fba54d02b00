package seal

import "slices"

// user is a user as the ring knows it. Ring.mu guards it.
type user struct {
	name    string
	key     *Key     // the user's own, which seals; nil: none, or not known
	further *Key     // the one from a backup that was needed last, which only opens; nil: none, or not known
	missing []uint64 // ids of keys that the store does not have any more, newest last
	busy    bool     // work is under way, so that calls wait
	calls   []call   // the calls that wait, in their order
	forgets int      // counts how often the keys were forgotten: an answer of the store to an earlier question is not kept
}

// userCost is the memory that a user takes besides the name, in bytes: the record with a key, the key's last
// cipher, the ids of deleted keys, and the places in the map and in the list.
const userCost = 1280

// keyCost is the memory that a further key takes with its last cipher, in bytes.
const keyCost = 900

// maxMissing is the number of deleted keys of a user that the ring remembers. They are asked for whenever
// somebody reads old messages of the user.
const maxMissing = 8

// call is a call that waits for the store.
type call struct {
	kind kind
	id   uint64                        // for opening and confirming
	key  func(*Key, error)             // for sealing, opening and confirming
	may  func() (mark string, ok bool) // for sealing: reports whether a key may be made, and with which mark; nil: it may
	done func(error)                   // for erasing
}

type kind uint8

const (
	sealing kind = iota
	opening
	confirming
	erasing
)

// answer calls back.
func (c *call) answer(k *Key, err error) {
	if c.kind == erasing {
		c.done(err)
	} else {
		c.key(k, err)
	}
}

// answer returns the answer to a call, if it is in memory.
func (u *user) answer(c *call, g Guard) (k *Key, err error, ok bool) {
	k = u.keyFor(c)
	switch {
	case c.kind == erasing:
		return nil, nil, false
	case c.kind != sealing && slices.Contains(u.missing, c.id):
		return nil, ErrErased, true
	case k == nil || c.kind != opening && !g.May(k.id):
		return nil, nil, false
	}
	return k, nil, true
}

// keyFor returns the key for a call, if it is in memory.
func (u *user) keyFor(c *call) *Key {
	if c.kind == sealing {
		return u.key
	}
	return u.withID(c.id)
}

// withID returns the key with this id, if it is in memory.
func (u *user) withID(id uint64) *Key {
	for _, k := range []*Key{u.key, u.further} {
		if k != nil && k.id == id {
			return k
		}
	}
	return nil
}

// keep keeps a key that the store has, the user's own or a further one; nil: the user has none.
func (u *user) keep(k *Key, own bool) {
	in := &u.key
	if !own {
		in = &u.further
	}
	if k == nil || *in == nil || k.id != (*in).id { // otherwise keep the one that has a cipher
		*in = k
	}
}

// cost returns the memory that the user takes, in bytes.
func (u *user) cost() int64 {
	n := userCost + int64(len(u.name))
	if u.further != nil {
		n += keyCost
	}
	return n
}

// isMissing notes that the store does not have a key any more.
func (u *user) isMissing(id uint64) {
	if len(u.missing) == maxMissing {
		u.missing = slices.Delete(u.missing, 0, 1)
	}
	u.missing = append(u.missing, id)
}
