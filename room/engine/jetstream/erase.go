package jetstream

import (
	"context"
	"errors"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/erasures"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/roomlog"
)

// The messages of a user are stored sealed, with the user's key: see package seal. To erase a user, the key
// is deleted. Then an entry of the State, the tombstone, tells all nodes to forget the key, and the recent
// publications of the rooms in which the user has spoken. When these are read again from the log, those of
// the user come without their content. Messages of authors without a User are not sealed.

// openKeys opens the stream of the keys again. If keys were lost there, those in memory are forgotten: nobody could
// read later a text that would be sealed with them.
func (e *Engine) openKeys(ctx context.Context) error {
	lost, err := e.userKeys.Reopen(ctx)
	if lost {
		e.log.Error("the store has lost keys of users: what they have said before cannot be read any more")
		e.ring.ForgetAll()
	}
	return err
}

// countKeys counts the keys of payers, and then waits for the next time.
func (e *Engine) countKeys() {
	if e.unavailable() == nil {
		if e.unused.recount.Swap(false) {
			e.userKeys.Recount()
		}
		stored, err := e.userKeys.Count(e.ctx, e.jobs.Pausing)
		e.unused.stored.Store(int64(stored))
		if err != nil {
			e.failed("the keys of users cannot be counted: their owners may make more than their share", "", err)
		}
	}
	e.jobs.After(e.cfg.compareEvery, e.countKeys)
}

// openErased opens the list of erased users. A store that is being restored is only for commands.
func (e *Engine) openErased(ctx context.Context) (err error) {
	if e.erased, err = erasures.Open(ctx, e.streams, e.read); err == nil && !e.cfg.Alone {
		err = e.erased.Check()
	}
	return err
}

// Erase implements engine.Eraser.
func (e *Engine) Erase(user string, done func(error)) {
	e.changeOnJob(done, func() error { return e.eraseUser(user) })
}

// eraseUser erases a user. The list of erasures gets the user twice: first because the erasure may end in the
// middle, and then because a copy of the keys may have been made meanwhile.
func (e *Engine) eraseUser(user string) error {
	if err := e.erased.Add(e.ctx, user, e.now()); err != nil {
		return fault.Of(err)
	}
	if err := e.wait(func(done func(error)) { e.ring.Erase(user, done) }); err != nil {
		return fault.Of(err)
	}
	at := e.now()
	// The tombstone is urgent, so the copy may have it before what others have written. With the probe, the copy has all of that.
	err := errors.Join(fault.Of(e.erased.Add(e.ctx, user, at)), e.put(engine.Tombstone(user, at)))
	if err == nil && !e.cfg.Sole {
		err = e.put(retire.Probe(e.now()))
	}
	e.forget(user, at) // also after an error
	return err
}

// erasedChanged follows a change of a tombstone, also of one that this node has written.
func (e *Engine) erasedChanged(_, is engine.Entry) {
	if is.Value != nil && e.following.Load() {
		e.userKeys.Doubt() // before the key is read again
		e.ring.Forget(is.Of)
		e.jobs.Go(func() {
			at := engine.ErasedAt(is.Value)
			e.forget(is.Of, at)
			e.lookForErased(is.Of, at, e.topics.all())
		})
	}
}

// forget forgets the recent publications of all rooms in which a user has spoken, also those after the
// erasure: the log knows which these are.
func (e *Engine) forget(user string, at time.Time) {
	e.erasures.Add(1) // publications that jobs have read before are not kept
	all := e.topics.all()
	for _, t := range all {
		t.mu.Lock()
		if t.recent.Has(user) {
			t.recent.Forget(false)
			t.tellErasedLocked(user, at)
		}
		t.mu.Unlock()
	}
}

// tellErasedLocked tells the subscribers once that a user was erased.
func (t *topic) tellErasedLocked(user string, at time.Time) {
	if now := at.UnixNano(); t.told != now {
		t.told = now
		for _, s := range t.subs {
			s.Erased(user, at)
		}
	}
}

// lookForErased finds rooms whose members may have seen publications of an erased user that this node does not
// have in memory, and tells them. It reads the newest part of the log of one room after the other, as much as a
// node holds of a room, and keeps nothing, so a node with many rooms has enough space and time for other work.
func (e *Engine) lookForErased(user string, at time.Time, rooms []*topic) {
	for i, t := range rooms {
		if e.jobs.Pausing() {
			e.jobs.Go(func() { e.lookForErased(user, at, rooms[i:]) })
			return
		}
		if t.hasRead(at) {
			continue
		}
		f := e.fillUnknown(t.room, e.keepOf(t.room, nil))
		if f.Err != nil {
			e.failed("a room cannot be read to tell its members that a user was erased: it is tried again", t.room, f.Err)
			e.jobs.After(retry, func() { e.lookForErased(user, at, rooms[i:]) })
			return
		}
		if f.Has(user) {
			t.mu.Lock()
			t.tellErasedLocked(user, at)
			t.mu.Unlock()
		}
	}
}

// hasRead reports whether lookForErased would find nothing new: the subscribers were told, or there are none, or the
// recent publications are all that a node holds of a room.
func (t *topic) hasRead(at time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended || t.told == at.UnixNano() || t.recent.Whole || t.recent.Len() >= roomlog.MaxRecent
}
