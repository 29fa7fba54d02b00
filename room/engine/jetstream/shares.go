package jetstream

import (
	"time"

	"webim/room/budget"
	"webim/room/engine"
)

// maxUnacknowledged is the number of bytes of all messages that have not ended, and messageCost the bytes that each takes
// besides its content. While the store is slow, a message waits with its content: for its room to open, for its
// author's key, or for the store. So payers share these bytes, and a single one cannot make the others get
// engine.ErrUnavailable.
const (
	maxUnacknowledged = 64 << 20
	messageCost       = 256
)

// takeSpace takes the space for a message. ok is false if its payer has too much already; otherwise the returned
// function gives the space back before it calls done.
func (e *Engine) takeSpace(m *engine.Message, done func(engine.Position, error)) (give func(engine.Position, error), ok bool) {
	payer, n := m.Payer, int64(messageCost+len(m.Data)+len(m.Original))
	if !e.unacknowledged.Take(payer, n) {
		e.faults.Warn("the store is slow: a message of an owner with many that wait is refused", "owner", payer.String())
		return done, false
	}
	return func(pos engine.Position, err error) {
		e.unacknowledged.Add(payer, -n)
		done(pos, err)
	}, true
}

// longAge is the age above which a class keeps messages for so long that the bytes of its payers are limited: below
// it, a payer's rates are enough.
const longAge = 24 * time.Hour

// hasShare reports whether a payer may store a message in a class. One user must not fill the store: nothing is removed
// from it before its time, so nobody could send any more.
func (e *Engine) hasShare(c *class, m *engine.Message) bool {
	if c.Age > 0 && c.Age <= longAge || e.stored.Take(m.Payer, messageCost+len(m.Data), e.now()) {
		return true
	}
	e.faults.Warn("a message is refused: its owner has stored as much as one may in a day", "owner", m.Payer.String())
	return false
}

// maxNewKeys is the number of keys in a day that users of one payer may need for their first messages: guests at an
// address are all new users.
const maxNewKeys = 10_000

// mayMakeKey reports whether a payer may make a key for a user who has none, and with which mark.
func (e *Engine) mayMakeKey(payer budget.Owner) (mark string, ok bool) {
	if payer == (budget.Owner{}) {
		return "", true
	}
	if mark, ok = e.userKeys.Mark(payer.String()); !ok {
		e.faults.Warn("a first message is refused: its owner has as many keys of users as one may", "owner", payer.String())
		return "", false
	}
	if !e.newKeys.Take(payer, 1, e.now()) {
		e.faults.Warn("a first message is refused: its owner has made as many keys of users as one may in a day", "owner", payer.String())
		return "", false
	}
	return mark, true
}
