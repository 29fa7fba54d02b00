package token

import (
	"cmp"
	"sync"
	"time"
)

// Revoked remembers users and tokens that are no longer good before their time.
// It only remembers: closing the sockets is for who revokes. The zero value
// works; its methods may be called from any goroutine.
type Revoked struct {
	Max int              // entries in force at a time; 0 is 100,000. Each is some 200 bytes
	Now func() time.Time // what time it is; nil is time.Now

	mu    sync.RWMutex
	users map[string]revokedUser
	ids   map[string]time.Time // jti → until
}

type revokedUser struct {
	since time.Time // tokens issued until then are bad
	until time.Time // end of the entry; zero is never
}

// RevokeUser makes all tokens of a user bad that were issued at or before since,
// and those that do not say when they were. The entry ends at until, by when
// the last of them should have expired; a zero until is never. A second
// revocation never makes the first one weaker. The error is ErrFull.
//
// Tokens say the second they were issued in, so one made in the second of since
// is bad too: who lets the user in again does it with a later one.
func (r *Revoked) RevokeUser(user string, since, until time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, again := r.users[user]; again && !over(old.until, r.now()) {
		since, until = later(since, old.since), laterEnd(until, old.until)
	} else if err := r.reserveLocked(again); err != nil {
		return err
	}
	if r.users == nil {
		r.users = map[string]revokedUser{}
	}
	r.users[user] = revokedUser{since, until}
	return nil
}

// RevokeID makes the token with an id (jti) bad until a time, best its exp; zero
// is for ever. The error is ErrFull.
func (r *Revoked) RevokeID(id string, until time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, again := r.ids[id]; again && !over(old, r.now()) {
		until = laterEnd(until, old)
	} else if err := r.reserveLocked(again); err != nil {
		return err
	}
	if r.ids == nil {
		r.ids = map[string]time.Time{}
	}
	r.ids[id] = until
	return nil
}

// Check reports whether a token of a user with an id ("" for none), issued then
// (zero if it does not say), is revoked.
func (r *Revoked) Check(user, id string, issued time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	now := r.now()
	if until, there := r.ids[id]; there && id != "" && !over(until, now) {
		return true
	}
	u, there := r.users[user]
	return there && !over(u.until, now) && !issued.After(u.since)
}

// Len counts the entries, those that are over and not yet removed too.
func (r *Revoked) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.users) + len(r.ids)
}

// reserveLocked makes room for an entry, unless it takes an old one's place. It
// looks for entries that are over only when the store is full, which is O(n)
// at most once in each revocation. Nothing in force is dropped for a new one:
// that would let somebody in again.
func (r *Revoked) reserveLocked(again bool) error {
	most := cmp.Or(r.Max, 100_000)
	if again || len(r.users)+len(r.ids) < most {
		return nil
	}
	now := r.now()
	for user, u := range r.users {
		if over(u.until, now) {
			delete(r.users, user)
		}
	}
	for id, until := range r.ids {
		if over(until, now) {
			delete(r.ids, id)
		}
	}
	if len(r.users)+len(r.ids) >= most {
		return ErrFull
	}
	return nil
}

func (r *Revoked) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// over reports whether an entry has ended; zero never does.
func over(until, now time.Time) bool { return !until.IsZero() && !now.Before(until) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// laterEnd is later where zero is never.
func laterEnd(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	return later(a, b)
}
