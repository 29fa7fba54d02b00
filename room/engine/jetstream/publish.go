package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/ids"
)

// Publish implements engine.Log. It does not block: the message waits in a queue, and if that is full or
// the store cannot be reached, done gets engine.ErrUnavailable at once. A message is sent at most once: if
// no answer comes, done gets engine.ErrUnknown.
func (e *Engine) Publish(room string, m engine.Message, done func(engine.Position, error)) {
	if done == nil {
		done = func(engine.Position, error) {}
	}
	e.begin(&m, done, func(m engine.Message, done func(engine.Position, error)) { e.publishNow(room, m, done) })
}

// begin calls f as soon as calls may begin, if the payer has space for the message. Until then it keeps a copy of the message.
func (e *Engine) begin(m *engine.Message, done func(engine.Position, error), f func(engine.Message, func(engine.Position, error))) {
	done, ok := e.takeSpace(m, done)
	if !ok {
		done(engine.Position{}, engine.ErrUnavailable)
		return
	}
	inside := func(pos engine.Position, err error) {
		done(pos, err)
		e.calls.Leave()
	}
	if e.calls.Enter() {
		f(*m, inside)
		return
	}
	waits := *m
	waits.Data, waits.Original = slices.Clone(m.Data), slices.Clone(m.Original)
	e.calls.Wait(func(err error) {
		if err != nil {
			inside(engine.Position{}, err)
			return
		}
		f(waits, inside)
	})
}

// publishNow is Publish in an engine that does not move.
func (e *Engine) publishNow(room string, m engine.Message, done func(engine.Position, error)) {
	t := e.topic(room)
	if t == nil || e.unavailable() != nil || !t.opens() {
		e.inClass(room, m, done, (*Engine).publish)
		return
	}
	// The topic would begin behind the message, and not deliver it to members that had joined before.
	m.Data, m.Original = slices.Clone(m.Data), slices.Clone(m.Original)
	t.whenBegun(func(err error) {
		if err != nil {
			done(engine.Position{}, err)
			return
		}
		e.inClass(room, m, done, (*Engine).publish)
	})
}

// inClass calls f with the class of a room, as soon as the stream of the class is open. If that has to wait,
// f gets a copy of the message.
func (e *Engine) inClass(room string, m engine.Message, done func(engine.Position, error), f func(*Engine, *class, string, engine.Message, func(engine.Position, error))) {
	if err := e.unwritable(); err != nil {
		done(engine.Position{}, err)
		return
	}
	c := e.class(room)
	if e.isReady(c) {
		f(e, c, room, m, done)
		return
	}
	m.Data, m.Original = slices.Clone(m.Data), slices.Clone(m.Original)
	e.whenReady(c, func(err error) {
		if err != nil {
			done(engine.Position{}, err)
			return
		}
		f(e, c, room, m, done)
	})
}

// publish is Publish in an open class.
func (e *Engine) publish(c *class, room string, m engine.Message, done func(engine.Position, error)) {
	now := e.now()
	m.Keep = nil // the settings say it to each node
	var id ids.ID
	if m.Key != "" {
		if pos, known, err := e.findKey(room, m, now); known {
			done(pos, err)
			return
		}
		m.Data, m.Original = slices.Clone(m.Data), slices.Clone(m.Original) // they are compared later
		if e.ids.Take(m.Payer, now) {
			id = ids.Of(room, m.Key)
		} else {
			done = e.noteUnsaved(room, m, done)
		}
	}
	if e.cfg.Full != nil && e.cfg.Full() || !e.hasShare(c, &m) {
		done(engine.Position{}, engine.ErrStoreFull)
		return
	}
	e.store(c, room, m, id, done)
}

// store seals a message, and gives it to the store with this id.
func (e *Engine) store(c *class, room string, m engine.Message, id ids.ID, done func(engine.Position, error)) {
	back, depth := e.topics.hint(room)
	env := codec.Encode(&m, e.now(), back, depth)
	payer := m.Payer
	e.seal(room, env, func() (string, bool) { return e.mayMakeKey(payer) }, func(s sealing, err error) {
		if err != nil {
			if errors.Is(err, engine.ErrStoreFull) {
				e.failed("there is no space for the keys of new users", room, err)
			}
			done(engine.Position{}, fault.Of(err))
			return
		}
		e.send(c, room, m, env, s, id, done)
	})
}

// send gives a sealed message to the store.
func (e *Engine) send(c *class, room string, m engine.Message, env *envelope.Envelope, s sealing, id ids.ID,
	done func(engine.Position, error)) {
	before := c.known.Last()
	e.acks.Publish(acks.Message{Subject: c.Room(room), Header: id.Header(), Data: envelope.Append(nil, env), Done: func(a acks.Ack, err error) {
		if errors.Is(err, acks.ErrNoStream) {
			e.lookFor(c)
		}
		if err != nil {
			done(engine.Position{}, fault.Of(err))
			return
		}
		e.disk.Then(c.Stream, func(err error) {
			switch {
			case err != nil:
				done(engine.Position{}, fmt.Errorf("%w: %w", engine.ErrUnknown, err))
			case a.Duplicate:
				e.repeated(c, room, m, before.Incarnation, a.Seq, done, func(why error) { e.storeAgain(c, room, m, id.After(a.Seq), why, done) })
			default:
				e.acknowledged(c, a.Seq, before)
				kept := func() {
					e.published(c, room, m, before.Incarnation, codec.Tip{Offset: a.Seq, Back: env.Back, Depth: env.Depth}, done)
				}
				e.confirm(env.From.User, s, done, kept, func() { e.sendAgain(c, room, m, env, s, id.After(a.Seq), done, kept) })
			}
		})
	}})
}

// published is called when the store has a message, in this incarnation of the stream.
func (e *Engine) published(c *class, room string, m engine.Message, incarnation string, at codec.Tip, done func(engine.Position, error)) {
	pos, err := e.positionIn(incarnation, c, room, at.Offset)
	if err != nil {
		done(pos, err)
		return
	}
	if m.Key != "" {
		e.addKey(e.keys, room, m, pos)
	}
	e.topics.made(room, pos.Epoch, at)
	done(pos, nil)
}

// storeAgain stores a message with another id, because nobody can read the stored one. why says why not.
func (e *Engine) storeAgain(c *class, room string, m engine.Message, id ids.ID, why error, done func(engine.Position, error)) {
	e.store(c, room, m, id, func(pos engine.Position, err error) {
		if err == nil { // otherwise it may have been stored again before
			e.failed("a message that is sent again is in the store, and nobody can read it: it is stored again", room, why)
		}
		done(pos, err)
	})
}

// sendAgain sends a message again that was sealed with a key which is not there any more. The first message stays unreadable, as
// that of an erased user. If the user was erased meanwhile, so is the message.
func (e *Engine) sendAgain(c *class, room string, m engine.Message, env *envelope.Envelope, s sealing, id ids.ID, done func(engine.Position, error), kept func()) {
	erased, err := e.erased.Since(e.ctx, env.From.User, time.Unix(0, env.Time))
	if err != nil {
		done(engine.Position{}, unknown(err)) // an erased user must not get a new key for an old message
		return
	}
	if erased {
		kept()
		return
	}
	answer := done
	done = func(pos engine.Position, err error) {
		if err == nil {
			e.failed("a message was sealed with a key that was being removed, and is stored again", room, errKeyGone)
		} else {
			e.failed("a message was sealed with a key that was being removed, and cannot be stored again", room, err)
		}
		answer(pos, err)
	}
	opened, err := codec.Unseal(room, env, s.key)
	if err != nil {
		done(engine.Position{}, unknown(err))
		return
	}
	if m.Key != "" {
		opened.Key = ids.Content(&m)
	}
	e.seal(room, opened, nil, func(s sealing, err error) {
		if err != nil {
			done(engine.Position{}, unknown(err))
			return
		}
		e.send(c, room, m, opened, s, id, done)
	})
}

// Pace implements engine.Pacer. If several hubs share the engine, the last one sets the pause.
func (e *Engine) Pace(pause func() time.Duration) { e.acks.Pace(pause) }
