package seal

import (
	"container/list"
	"slices"
	"sync"
)

// Store keeps the keys of all users. Its methods do not block. They call done once, from any goroutine,
// perhaps before they return.
type Store interface {
	// Get reads the record of a user's key, or nil if the user has none. It must know the newest write of any
	// node: a copy that lags behind would bring a deleted key back. The ring does not keep the record.
	Get(user string, done func(record []byte, err error))
	// Create stores a key if the user has none. created is false if the user has one.
	Create(user string, record []byte, done func(created bool, err error))
	// Delete deletes a user's key, so that nobody can read it any more. It is no error if there is none.
	Delete(user string, done func(error))
}

// Config configures a Ring.
type Config struct {
	Store      Store
	MaxBytes   int64 // memory for keys; 0: 64 MiB, enough for 50,000 users
	MaxWaiting int   // calls that may wait for the store; 0: 10,000
}

// userCost is the memory that a user takes besides the name, in bytes: the record with a key, the key's last
// cipher, the ids of deleted keys, and the places in the map and in the list.
const userCost = 1280

// maxMissing is the number of deleted keys of a user that the ring remembers. They are asked for whenever
// somebody reads old messages of the user.
const maxMissing = 8

// maxTries is the number of times that the ring tries to create a key. Each try fails only if other nodes create
// and delete the key at the same moment.
const maxTries = 3

// Ring gives out the keys of users, and has the last ones in memory. All methods are safe for concurrent use.
type Ring struct {
	store      Store
	maxBytes   int64
	maxWaiting int

	mu      sync.Mutex
	users   map[string]*list.Element // of *user
	order   *list.List               // the user that was needed last is in front
	bytes   int64                    // of all users
	waiting int                      // calls in all users
}

// user is what the ring knows of a user. Ring.mu guards it.
type user struct {
	name    string
	key     *Key     // nil: none, or not known
	missing []uint64 // ids of keys that the store does not have any more, newest last
	busy    bool     // work is under way, so that calls wait
	calls   []call   // the calls that wait, in their order
	forgets int      // counts the calls of forget: what the store answered to a question before is not kept
}

// call is a call that waits for the store.
type call struct {
	kind kind
	id   uint64            // for opening
	key  func(*Key, error) // for sealing and opening
	done func(error)       // for erasing
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
func (u *user) answer(c *call) (k *Key, err error, ok bool) {
	switch {
	case c.kind == erasing:
		return nil, nil, false
	case c.kind == opening && slices.Contains(u.missing, c.id):
		return nil, ErrErased, true
	case u.key == nil || c.kind == opening && u.key.id != c.id:
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

// NewRing returns a ring without keys.
func NewRing(cfg Config) *Ring {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = 10_000
	}
	return &Ring{store: cfg.Store, maxBytes: cfg.MaxBytes, maxWaiting: cfg.MaxWaiting, users: map[string]*list.Element{}, order: list.New()}
}

// ForSealing calls done with the key of a user. If the user has none, the ring makes one. If several nodes do
// that at the same time, all get the same key.
func (r *Ring) ForSealing(name string, done func(*Key, error)) {
	r.add(name, call{kind: sealing, key: done})
}

// ForOpening calls done with the key of a user that has the given id: see KeyID. If it was deleted, the
// error is ErrErased.
func (r *Ring) ForOpening(name string, id uint64, done func(*Key, error)) {
	r.add(name, call{kind: opening, id: id, key: done})
}

// Peek returns the key of a user that has the given id, or ErrErased, if the ring has the answer in memory.
// Otherwise the error is ErrAsk.
func (r *Ring) Peek(name string, id uint64) (*Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.users[name]
	if e == nil {
		return nil, ErrAsk
	}
	r.order.MoveToFront(e)
	k, err, ok := e.Value.(*user).answer(&call{kind: opening, id: id})
	if !ok {
		return nil, ErrAsk
	}
	return k, err
}

// Erase deletes the key of a user in the store. Calls for the user that come later wait for that, and the
// next ForSealing makes a new key. The other nodes must then call Forget.
func (r *Ring) Erase(name string, done func(error)) {
	r.add(name, call{kind: erasing, done: done})
}

// Forget removes a user's key from the memory, because another node has deleted it in the store. Nobody can read
// a text that this node has sealed with the old key between the two.
func (r *Ring) Forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.users[name]; e != nil {
		e.Value.(*user).forget()
	}
}

// add answers a call from memory, or makes it wait for the store.
func (r *Ring) add(name string, c call) {
	r.mu.Lock()
	u := r.useLocked(name)
	k, err, ok := u.answer(&c)
	if ok = ok && !u.busy; !ok && r.waiting >= r.maxWaiting {
		k, err, ok = nil, ErrBusy, true
	}
	begin := !ok && !u.busy
	if !ok {
		u.busy = true
		u.calls = append(u.calls, c)
		r.waiting++
	}
	r.trimLocked()
	r.mu.Unlock()
	switch {
	case ok:
		c.answer(k, err)
	case begin:
		r.work(u)
	}
}

// useLocked returns the record of a user as the one that was needed last.
func (r *Ring) useLocked(name string) *user {
	if e := r.users[name]; e != nil {
		r.order.MoveToFront(e)
		return e.Value.(*user)
	}
	u := &user{name: name}
	r.users[name] = r.order.PushFront(u)
	r.bytes += userCost + int64(len(name))
	return u
}

// trimLocked forgets the users that were needed longest ago, until the rest fits. It keeps those whose calls
// wait: their number is limited.
func (r *Ring) trimLocked() {
	for e := r.order.Back(); e != nil && r.bytes > r.maxBytes; {
		last, u := e, e.Value.(*user)
		if e = e.Prev(); !u.busy {
			r.order.Remove(last)
			delete(r.users, u.name)
			r.bytes -= userCost + int64(len(u.name))
		}
	}
}

// work answers the calls of a user one after the other, until one needs the store. What the store answers then
// goes on with the work.
func (r *Ring) work(u *user) {
	for {
		r.mu.Lock()
		if len(u.calls) == 0 {
			u.busy, u.calls = false, nil
			r.trimLocked()
			r.mu.Unlock()
			return
		}
		c, forgets := u.calls[0], u.forgets
		k, err, ok := u.answer(&c)
		if ok {
			r.popLocked(u)
		}
		r.mu.Unlock()
		switch {
		case ok:
			c.answer(k, err)
		case c.kind == erasing:
			r.erase(u)
			return
		default:
			r.fetch(u, forgets, maxTries)
			return
		}
	}
}

// popLocked removes the first call of a user.
func (r *Ring) popLocked(u *user) call {
	c := u.calls[0]
	u.calls[0] = call{}
	u.calls = u.calls[1:]
	r.waiting--
	return c
}

// fetch reads the key of a user for the first call. If the call is for sealing and there is no key, it makes one.
func (r *Ring) fetch(u *user, forgets, tries int) {
	r.store.Get(u.name, func(record []byte, err error) {
		var k *Key
		if err == nil && record != nil {
			k, err = parseKey(record)
		}
		if err != nil {
			r.fail(u, err)
			return
		}
		r.mu.Lock()
		first := &u.calls[0]
		create := k == nil && first.kind == sealing
		if u.forgets == forgets { // otherwise k may have been deleted since
			if k == nil || u.key == nil || k.id != u.key.id { // otherwise keep the one that has a cipher
				u.key = k
			}
			if first.kind == opening && (k == nil || k.id != first.id) {
				u.isMissing(first.id)
			}
		}
		r.mu.Unlock()
		if create {
			r.create(u, forgets, tries)
		} else {
			r.work(u)
		}
	})
}

// create makes a key for a user who has none.
func (r *Ring) create(u *user, forgets, tries int) {
	k := newKey()
	r.store.Create(u.name, k.record(), func(created bool, err error) {
		switch {
		case err != nil:
			r.fail(u, err)
		case created:
			r.mu.Lock()
			if u.forgets == forgets {
				u.key = k
			}
			r.mu.Unlock()
			r.work(u)
		case tries == 1:
			r.fail(u, ErrBusy)
		default: // another node was first: read its key
			r.fetch(u, forgets, tries-1)
		}
	})
}

// erase deletes the key of a user for the first call.
func (r *Ring) erase(u *user) {
	r.store.Delete(u.name, func(err error) {
		r.mu.Lock()
		u.forget() // also after an error: the store may have deleted it
		c := r.popLocked(u)
		r.mu.Unlock()
		c.answer(nil, err)
		r.work(u)
	})
}

// fail answers all waiting calls of a user with an error: a store that does not answer must not be asked for each
// of them, one after the other.
func (r *Ring) fail(u *user, err error) {
	r.mu.Lock()
	calls := u.calls
	u.calls = nil
	r.waiting -= len(calls)
	r.mu.Unlock()
	for i := range calls {
		calls[i].answer(nil, err)
	}
	r.work(u)
}
