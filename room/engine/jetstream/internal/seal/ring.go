package seal

import (
	"container/list"
	"errors"
	"sync"
)

// Store keeps the keys of all users. Its methods do not block. They call done once, from any goroutine,
// perhaps before they return.
type Store interface {
	// Get reads the record of a user's own key, or nil if the user has none. If a further key of the user has this id, Get reads
	// that one instead, and own is false. It must know the newest write of any node: a copy that lags behind would bring a deleted
	// key back. If sure is true, and it is not certain that the user has none, as after a failure of a server, done gets an error
	// that is ErrUnproven. Otherwise the answer may be wrong if there is none: Create finds that out. The ring does not keep the
	// record.
	Get(user string, id uint64, sure bool, done func(record []byte, own bool, err error))
	// Create stores a key if the user has none, with the mark that ForSealing was given for it. created is false if the user has
	// one.
	Create(user string, record []byte, mark string, done func(created bool, err error))
	// Delete deletes the keys of a user, so that nobody can read it any more. It is no error if there is certainly none.
	Delete(user string, done func(error))
	// DeleteID is Delete for the key that has this id. If the user has none, it does nothing.
	DeleteID(user string, id uint64, done func(error))
}

// Guard says which keys may seal. Unused keys are removed from the store, and a key that is being removed must not
// seal any more.
type Guard interface {
	// May reports whether a key may seal. It is called with Ring.mu held.
	May(id uint64) bool
	// Claim asks for a key that may not seal. may is true if it may now, and stays; false if it is being removed for certain. Claim
	// does not block, and calls done once, from any goroutine.
	Claim(id uint64, done func(may bool, err error))
}

// Config configures a Ring.
type Config struct {
	Store      Store
	Guard      Guard // nil: every key may seal
	MaxBytes   int64 // memory for keys; 0: 64 MiB, enough for 50,000 users
	MaxWaiting int   // calls that may wait for the store; 0: 10,000
}

// Ring gives out the keys of users, and has the last ones in memory. All methods are safe for concurrent use.
type Ring struct {
	store      Store
	guard      Guard // never nil
	maxBytes   int64
	maxWaiting int

	mu      sync.Mutex
	users   map[string]*list.Element // of *user
	order   *list.List               // the user that was needed last is in front
	bytes   int64                    // of all users
	waiting int                      // calls in all users
}

// NewRing returns a ring without keys.
func NewRing(cfg Config) *Ring {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = 10_000
	}
	if cfg.Guard == nil {
		cfg.Guard = open{}
	}
	return &Ring{store: cfg.Store, guard: cfg.Guard, maxBytes: cfg.MaxBytes, maxWaiting: cfg.MaxWaiting, users: map[string]*list.Element{}, order: list.New()}
}

// open is the Guard that permits everything.
type open struct{}

func (open) May(uint64) bool                        { return true }
func (open) Claim(_ uint64, done func(bool, error)) { done(true, nil) }

// ForSealing calls done with the key of a user. If the user has none, the ring makes one, unless may reports false: then
// the error is ErrShare. A may that is nil permits it. The mark is for the Store. If several nodes make a key at the same time,
// all get the same key.
func (r *Ring) ForSealing(name string, may func() (mark string, ok bool), done func(*Key, error)) {
	r.add(name, call{kind: sealing, may: may, key: done})
}

// ForOpening calls done with the key of a user that has the given id: see KeyID. If it was deleted, the
// error is ErrErased.
func (r *Ring) ForOpening(name string, id uint64, done func(*Key, error)) {
	r.add(name, call{kind: opening, id: id, key: done})
}

// Confirm asks the store whether it keeps the key of a user that has the given id, with which a text was sealed. If the key may
// not seal any more, Confirm claims it, and kept is true if that succeeds.
func (r *Ring) Confirm(name string, id uint64, done func(kept bool, err error)) {
	r.Forget(name) // the store is to answer
	r.add(name, call{kind: confirming, id: id, key: func(_ *Key, err error) {
		if errors.Is(err, ErrErased) {
			done(false, nil)
			return
		}
		done(err == nil, err)
	}})
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
	k, err, ok := e.Value.(*user).answer(&call{kind: opening, id: id}, r.guard)
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

// Forget removes a user's keys from the memory, because another node has deleted them in the store. Nobody can read
// a text that this node has sealed with an old key between the two.
func (r *Ring) Forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.users[name]; e != nil {
		r.forgetLocked(e.Value.(*user))
	}
}

// forgetLocked forgets the keys of a user.
func (r *Ring) forgetLocked(u *user) {
	r.bytes -= u.cost()
	u.key, u.further, u.forgets = nil, nil, u.forgets+1
	r.bytes += u.cost()
}

// ForgetAll removes all keys from the memory, because the store has lost some.
func (r *Ring) ForgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.users {
		u := e.Value.(*user)
		r.forgetLocked(u)
		u.missing = nil
	}
}

// add answers a call from memory, or makes it wait for the store.
func (r *Ring) add(name string, c call) {
	r.mu.Lock()
	u := r.useLocked(name)
	k, err, ok := u.answer(&c, r.guard)
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
	r.bytes += u.cost()
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
			r.bytes -= u.cost()
		}
	}
}
