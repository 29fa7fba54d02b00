package seal

// maxTries is the number of times that the ring tries to create a key. Each try fails only if other nodes create
// and delete the key at the same moment.
const maxTries = 3

// work answers the calls of a user one after the other, until one needs the store. The answer of the store then
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
		k, err, ok := u.answer(&c, r.guard)
		unfit := u.keyFor(&c)
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
		case c.kind != opening && unfit != nil:
			r.claim(u, unfit.id)
			return
		default:
			r.fetch(u, c.id, c.kind != sealing, forgets, maxTries)
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

// fetch reads a key of a user for the first call: the one with this id, or, if the call is for sealing, the user's own. If there
// is none, a call for sealing makes one. If sure is false, the answer that there is none may be wrong.
func (r *Ring) fetch(u *user, id uint64, sure bool, forgets, tries int) {
	r.store.Get(u.name, id, sure, func(record []byte, own bool, err error) {
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
		create, may := k == nil && first.kind == sealing, first.may
		if u.forgets == forgets { // otherwise k may have been deleted since
			r.bytes -= u.cost()
			u.keep(k, own)
			r.bytes += u.cost()
			if first.kind != sealing && (k == nil || k.id != first.id) {
				u.isMissing(first.id)
			}
		}
		r.mu.Unlock()
		if !create {
			r.work(u)
			return
		}
		mark, ok := "", true
		if may != nil {
			mark, ok = may()
		}
		if !ok {
			r.refuse(u)
			return
		}
		r.create(u, mark, forgets, tries)
	})
}

// refuse answers the first call of a user, for which no key may be made.
func (r *Ring) refuse(u *user) {
	r.mu.Lock()
	c := r.popLocked(u)
	r.mu.Unlock()
	c.answer(nil, ErrShare)
	r.work(u)
}

// create makes a key for a user without one.
func (r *Ring) create(u *user, mark string, forgets, tries int) {
	k := newKey()
	r.store.Create(u.name, k.record(), mark, func(created bool, err error) {
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
		default: // another node was first, or the answer that there is no key was wrong: read the key that is there
			r.fetch(u, 0, true, forgets, tries-1)
		}
	})
}

// claim asks whether a key of a user may seal. If it is being removed, the ring deletes it, and goes on without it.
func (r *Ring) claim(u *user, id uint64) {
	r.guard.Claim(id, func(may bool, err error) {
		switch {
		case err != nil:
			r.fail(u, err)
		case may:
			r.work(u)
		default:
			r.store.DeleteID(u.name, id, func(err error) {
				if err != nil {
					r.fail(u, err)
					return
				}
				r.mu.Lock()
				if u.withID(id) != nil {
					r.forgetLocked(u)
				}
				r.mu.Unlock()
				r.work(u)
			})
		}
	})
}

// erase deletes the key of a user for the first call.
func (r *Ring) erase(u *user) {
	r.store.Delete(u.name, func(err error) {
		r.mu.Lock()
		r.forgetLocked(u) // also after an error: the store may have deleted it
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
