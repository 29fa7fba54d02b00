package seal

import "slices"

// user is a user as the ring knows it. Ring.mu guards it.
type user struct {
	name    string
	key     *Key     // nil: none, or not known
	missing []uint64 // ids of keys that the store does not have any more, newest last
	busy    bool     // work is under way, so that calls wait
	calls   []call   // the calls that wait, in their order
	forgets int      // counts the calls of forget: an answer of the store to an earlier question is not kept
}

// userCost is the memory that a user takes besides the name, in bytes: the record with a key, the key's last
// cipher, the ids of deleted keys, and the places in the map and in the list.
const userCost = 1280

// maxMissing is the number of deleted keys of a user that the ring remembers. They are asked for whenever
// somebody reads old messages of the user.
const maxMissing = 8

// call is a call that waits for the store.
type call struct {
	kind kind
	id   uint64                        // for opening
	key  func(*Key, error)             // for sealing and opening
	may  func() (mark string, ok bool) // for sealing: reports whether a key may be made, and with which mark; nil: it may
	done func(error)                   // for erasing
}

type kind uint8

const (
	sealing kind = iota
	opening
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
	switch {
	case c.kind == erasing:
		return nil, nil, false
	case c.kind == opening && slices.Contains(u.missing, c.id):
		return nil, ErrErased, true
	case u.key == nil || c.kind == opening && u.key.id != c.id || c.kind == sealing && !g.May(u.key.id):
		return nil, nil, false
	}
	return u.key, nil, true
}

// forget forgets the key.
func (u *user) forget() { u.key, u.forgets = nil, u.forgets+1 }

// isMissing notes that the store does not have a key any more.
func (u *user) isMissing(id uint64) {
	if len(u.missing) == maxMissing {
		u.missing = slices.Delete(u.missing, 0, 1)
	}
	u.missing = append(u.missing, id)
}
