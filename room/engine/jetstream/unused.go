package jetstream

import (
	"errors"
	"fmt"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/seal"
)

// Keys of users with which no stored text is sealed are removed: see collect.go. Here is what each node does so that no text
// loses its key. The rules and the proof are in package retire.

// roundChanged follows a change of the round, and of keys that are kept.
func (e *Engine) roundChanged(_, is engine.Entry) {
	if is.Key == retire.RoundKey() {
		e.userKeys.Doubt()
		e.ring.ForgetAll()
	}
	e.unused.view.Change(is)
	if r, _, _, _ := e.unused.view.Round(); r.Phase == retire.Idle && is.Key == retire.RoundKey() {
		e.unused.recount.Store(true)
	}
}

// guard implements seal.Guard.
type guard struct{ e *Engine }

// May implements seal.Guard.
func (g guard) May(id uint64) bool { return g.e.unused.view.May(id) }

// Claim implements seal.Guard. A named key is kept by an entry of the State. When the copy has that, it says whether it came in
// time.
func (g guard) Claim(id uint64, done func(bool, error)) {
	is, keep, err := g.e.unused.view.Judge(id)
	switch {
	case err != nil:
		done(false, errors.Join(engine.ErrUnavailable, err))
	case is == retire.Named:
		g.e.write(keep, func(_ uint64, err error) {
			if err != nil {
				done(false, err)
				return
			}
			g.Claim(id, done)
		})
	default:
		done(is == retire.Free, nil)
	}
}

// sealing says with which key a message was sealed, and in which round.
type sealing struct {
	key    *seal.Key // nil: it is not sealed
	round  uint64
	unsure bool // the key may have been named already in this round
}

// seal is codec.Codec.Seal on a node whose copy of the State is not too old. Otherwise the text could be sealed with a key that
// is being removed.
func (e *Engine) seal(room string, env *envelope.Envelope, may func() (string, bool), done func(sealing, error)) {
	if !e.isFresh(max(e.cfg.unused.fresh, engine.MaxStateAge)) {
		done(sealing{}, engine.ErrUnavailable)
		return
	}
	round := e.unused.view.ID() // before the key is taken
	e.codec.Seal(room, env, may, func(k *seal.Key, err error) { done(sealing{key: k, round: round}, err) })
}

// isFresh reports whether the copy of the State had everything at most this long ago, by both clocks: that of a machine that was
// suspended stands still.
func (e *Engine) isFresh(age time.Duration) bool {
	at := e.state.Proved()
	now := time.Now()
	return !at.IsZero() && max(now.Sub(at), now.Round(0).Sub(at.Round(0))) <= age
}

// isSafe reports whether no round removes the key of something that is stored now, as far as the copy of the State says.
func (e *Engine) isSafe(s sealing) bool {
	return s.key == nil || !s.unsure && e.unused.view.ID() == s.round && e.unused.view.May(s.key.ID())
}

// confirm calls kept if the store keeps the key of a message that it has: at once, if the copy of the State is fresh. Otherwise
// it first brings the copy up to date. If the key is being removed, or is gone, a job calls lost. If that cannot be found out,
// done gets engine.ErrUnknown.
func (e *Engine) confirm(user string, s sealing, done func(engine.Position, error), kept, lost func()) {
	if s.key == nil || e.isSafe(s) && e.isFresh(e.cfg.unused.fresh) {
		kept()
		return
	}
	e.jobs.Go(func() {
		e.isKept(user, s, func(is bool, err error) {
			switch {
			case err != nil:
				done(engine.Position{}, unknown(err))
			case is:
				kept()
			default:
				e.jobs.Go(lost)
			}
		})
	})
}

// unknown returns the error for a message that the store has, perhaps with no key.
func unknown(err error) error { return fmt.Errorf("%w: %v", engine.ErrUnknown, err) }

// isKept finds out whether the store keeps the key of a message that it has. It writes an entry of the State: when the copy has
// that, it has all that was written before, whichever server answers.
func (e *Engine) isKept(user string, s sealing, done func(bool, error)) {
	e.write(retire.Probe(e.now()), func(_ uint64, err error) {
		if err != nil || e.isSafe(s) {
			done(err == nil, err)
			return
		}
		// A server that does not know yet that the key was deleted would return it.
		e.userKeys.Prove(func(err error) {
			if err != nil {
				done(false, err)
				return
			}
			e.ring.Confirm(user, s.key.ID(), done)
		})
	})
}
