package token

import (
	"cmp"
	"sync"
	"time"
)

// Revoked holds users and tokens that are revoked before they expire. It closes no connections:
// that is the caller's job. The zero value is ready to use. Its methods may be called from any
// goroutine.
type Revoked struct {
	Max int              // maximum number of entries in force; 0 means 100,000. An entry takes some 200 bytes
	Now func() time.Time // the clock; nil means time.Now

	mu    sync.RWMutex
	users map[string]revokedUser
	ids   map[string]time.Time // key: jti; value: the end of the entry
	full  time.Time            // until then no entry ends, so there is no space; zero: not known
}

type revokedUser struct {
	since time.Time // tokens issued at or before this time are revoked
	until time.Time // the end of the entry; zero means never
}

// RevokeUser revokes all tokens of user that were issued at or before since, and those without
// an issue time. The entry ends at until; choose a time by which the last of those tokens has
// expired. A zero until means never. A second call never weakens the first. The error is
// ErrFull.
//
// The issue time of a token has a resolution of one second, so a token that was issued later in
// the same second as since is revoked too. To let the user in again, issue a token in a later
// second.
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
	r.full = time.Time{}
	return nil
}

// RevokeID revokes the token with the id (jti) until the given time, best its exp; zero means
// for ever. The error is ErrFull.
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
	r.full = time.Time{}
	return nil
}

// Check reports whether a token is revoked, given its user, its id ("" if it has none) and its
// issue time (zero if it has none).
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

// Len returns the number of entries, including those that have ended but are not yet removed.
func (r *Revoked) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.users) + len(r.ids)
}

// reserveLocked returns ErrFull if there is no space for an entry; a replaced entry (again)
// needs none. It removes ended entries only when the store is full, and looks for them again only
// when one can have ended: a node may start with more revocations than fit. It never drops an entry
// in force to make space: that would let a revoked user in again.
func (r *Revoked) reserveLocked(again bool) error {
	most := cmp.Or(r.Max, 100_000)
	if again || len(r.users)+len(r.ids) < most {
		return nil
	}
	now := r.now()
	if now.Before(r.full) {
		return ErrFull
	}
	next := now.Add(24 * time.Hour)
	for user, u := range r.users {
		if over(u.until, now) {
			delete(r.users, user)
		} else if !u.until.IsZero() && u.until.Before(next) {
			next = u.until
		}
	}
	for id, until := range r.ids {
		if over(until, now) {
			delete(r.ids, id)
		} else if !until.IsZero() && until.Before(next) {
			next = until
		}
	}
	if len(r.users)+len(r.ids) >= most {
		r.full = next
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

// over reports whether an entry has ended; a zero until never ends.
func over(until, now time.Time) bool { return !until.IsZero() && !now.Before(until) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// laterEnd returns the later of two ends, where zero means never.
func laterEnd(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	return later(a, b)
}
