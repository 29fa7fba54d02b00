package jetstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/seal"
)

// The messages of a user are stored sealed, with the user's key: see package seal. To erase a user, the key
// is deleted. Then an entry of the State, the tombstone, tells all nodes to forget the key, and the recent
// publications of the rooms in which the user has spoken. When these are read again from the log, those of
// the user come without their content. Messages of authors without a User are not sealed.

// tableErased has the tombstones. Of: user, Name: "". A value is the time of the erasure, in nanoseconds
// since 1970, as a varint.
const tableErased = "erased"

// tombstoneTime is how long a tombstone is kept. A node that loses its connection for longer does not learn
// of the erasure, and keeps the messages that it has in memory.
const tombstoneTime = 30 * 24 * time.Hour

// seal seals the personal part of a message, if it has a user, and calls done when it is ready to be stored:
// before seal returns, if the key is in memory. env.Data is not used after seal has returned.
func (e *Engine) seal(room string, env *envelope.Envelope, done func(error)) {
	if !env.HasAuthor || env.From.User == "" {
		done(nil)
		return
	}
	personal := envelope.AppendPersonal(make([]byte, 0, len(env.Data)+64), env)
	e.ring.ForSealing(env.From.User, func(k *seal.Key, err error) {
		if err != nil {
			done(err)
			return
		}
		env.Sealed = k.Seal(make([]byte, 0, len(personal)+seal.Overhead), personal, room, env.Time)
		if env.Key != "" {
			env.Key = short(k.Digest([]byte(env.Key)))
		}
		done(nil)
	})
}

// reveal opens the sealed part of a message. erased is true if that is not possible, because its author was
// erased. If the key is not in memory, the error is errKey, unless wait is true.
func (e *Engine) reveal(room string, env *envelope.Envelope, wait bool) (erased bool, err error) {
	k, err := e.keyOf(env, wait)
	if errors.Is(err, seal.ErrErased) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	personal, err := k.Open(make([]byte, 0, len(env.Sealed)), env.Sealed, room, env.Time)
	if err != nil {
		return false, err
	}
	return false, env.Reveal(personal)
}

// keyOf returns the key with which a message was sealed.
func (e *Engine) keyOf(env *envelope.Envelope, wait bool) (*seal.Key, error) {
	if !env.HasAuthor {
		return nil, fmt.Errorf("%w: it is sealed and has no author", envelope.ErrMalformed)
	}
	user, id := env.From.User, seal.KeyID(env.Sealed)
	k, err := e.ring.Peek(user, id)
	switch {
	case !errors.Is(err, seal.ErrAsk):
		return k, err
	case !wait:
		return nil, errKey
	}
	type answer struct {
		k   *seal.Key
		err error
	}
	c := make(chan answer, 1)
	e.ring.ForOpening(user, id, func(k *seal.Key, err error) { c <- answer{k, err} })
	select {
	case a := <-c:
		return a.k, a.err
	case <-e.ctx.Done():
		return nil, engine.ErrUnavailable
	}
}

// isSame reports whether a stored message has the content of another one with the same Key. If its author
// was erased, nobody can tell, and it counts as the same.
func (e *Engine) isSame(data []byte, m *engine.Message) (bool, error) {
	env, err := envelope.Decode(data)
	if err != nil {
		return true, nil
	}
	content := contentOf(m)
	if env.Sealed != nil {
		k, err := e.keyOf(&env, true)
		if errors.Is(err, seal.ErrErased) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		content = short(k.Digest([]byte(content)))
	}
	return env.Key == content, nil
}

// Erase makes all messages of a user unreadable, in all rooms and on all nodes, for ever. As much is left of
// each as of a redacted publication: see engine.Publication.Redact. Later messages of the user are readable.
// done is called when the key is deleted and this node has forgotten the messages; other nodes follow a
// moment later. After an error, call Erase again.
func (e *Engine) Erase(user string, done func(error)) {
	if err := e.unavailable(); err != nil {
		done(err)
		return
	}
	e.ring.Erase(user, func(err error) {
		if err != nil {
			done(e.outcome(err))
			return
		}
		e.jobs.Go(func() {
			now := e.now()
			err := e.put(engine.Entry{Key: engine.Key{Table: tableErased, Of: user}, Version: engine.AnyVersion,
				Value: binary.AppendVarint(nil, now.UnixNano()), Expires: now.Add(tombstoneTime)})
			e.forget(user) // also after an error
			done(err)
		})
	})
}

// erasedChanged follows a change of a tombstone.
func (e *Engine) erasedChanged(_, is engine.Entry) {
	if is.Value != nil && e.following.Load() {
		e.ring.Forget(is.Of)
		e.jobs.Go(func() { e.forget(is.Of) })
	}
}

// forget forgets the recent publications of all rooms in which a user has spoken, also those after the
// erasure: the log knows which these are.
func (e *Engine) forget(user string) {
	e.erasures.Add(1) // publications that jobs have read before are not kept
	e.mu.RLock()
	all := slices.Collect(maps.Values(e.topics))
	e.mu.RUnlock()
	for _, t := range all {
		t.mu.Lock()
		if t.recent != nil && t.recent.Has(user) {
			t.setRecentLocked(nil, false)
		}
		t.mu.Unlock()
	}
}
