package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/ids"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/seal"
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
	before := c.known.Seq()
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
		e.send(c, room, m, env, s, id, before, done)
	})
}

// send gives a sealed message to the store. before is the highest sequence that was known when the message came.
func (e *Engine) send(c *class, room string, m engine.Message, env *envelope.Envelope, s sealing, id ids.ID, before uint64, done func(engine.Position, error)) {
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
				e.repeated(c, room, m, a.Seq, done, func(why error) { e.storeAgain(c, room, m, id.After(a.Seq), why, done) })
			default:
				e.acknowledged(c, a.Seq, before)
				kept := func() {
					e.published(c, room, m, codec.Tip{Offset: a.Seq, Back: env.Back, Depth: env.Depth}, done)
				}
				e.confirm(env.From.User, s, done, kept, func() { e.sendAgain(c, room, m, env, s, id.After(a.Seq), done, kept) })
			}
		})
	}})
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

// published is called when the store has a message.
func (e *Engine) published(c *class, room string, m engine.Message, at codec.Tip, done func(engine.Position, error)) {
	epoch, _ := e.epochOf(c, room)
	pos := engine.Position{Epoch: epoch, Offset: at.Offset}
	if m.Key != "" {
		e.keys.Add(room, m, pos, e.now())
	}
	e.topics.made(room, at)
	done(pos, nil)
}

// repeated is called when the store knows the id of a message, which this node does not: it was published at seq, on
// another node or before a restart. A job compares the two messages. It calls lost with the reason if the stored one cannot be
// read by anybody: its node may have ended before it confirmed the key, and the sender was told nothing.
func (e *Engine) repeated(c *class, room string, m engine.Message, seq uint64, done func(engine.Position, error), lost func(why error)) {
	epoch, _ := e.epochOf(c, room)
	pos := engine.Position{Epoch: epoch, Offset: seq}
	there := func() {
		e.keys.Add(room, m, pos, e.now())
		done(pos, engine.ErrRepeated)
	}
	e.jobs.Go(func() {
		one, err := e.sureAt(c, seq)
		if errors.Is(err, logread.ErrNone) {
			there() // it was removed
			return
		}
		if err != nil {
			done(engine.Position{}, fault.Of(err))
			return
		}
		env, err := envelope.Decode(one.Data)
		if errors.Is(err, envelope.ErrVersion) {
			done(engine.Position{}, unknown(err))
			return
		}
		// The round is noted before the key is taken, as when a message is sealed.
		s := sealing{round: e.unused.view.ID(), unsure: env.Sealed != nil && !e.unused.view.May(seal.KeyID(env.Sealed))}
		same := false
		if err == nil {
			same, s.key, err = e.codec.IsSame(room, &env, &m)
		}
		unreadable := func(why error) {
			if env.HasAuthor && e.erased.Since(e.ctx, env.From.User, time.Unix(0, env.Time)) {
				there() // nobody can tell whether it was the same
				return
			}
			lost(why)
		}
		switch {
		case errors.Is(err, seal.ErrErased) || codec.IsDamaged(err):
			unreadable(err)
		case err != nil:
			done(engine.Position{}, fault.Of(err))
		case !same:
			done(engine.Position{}, engine.ErrKeyReused)
		default:
			e.confirm(env.From.User, s, done, there, func() { unreadable(errKeyGone) })
		}
	})
}

// errKeyGone: the store does not keep the key of a stored message, or the key is being removed.
var errKeyGone = errors.New("jetstream: the key of the author is gone")

// storeAgain stores a message with another id, because nobody can read the stored one. why says why not.
func (e *Engine) storeAgain(c *class, room string, m engine.Message, id ids.ID, why error, done func(engine.Position, error)) {
	e.store(c, room, m, id, func(pos engine.Position, err error) {
		if err == nil { // otherwise it may have been stored again before
			e.failed("a message that is sent again is in the store, and nobody can read it: it is stored again", room, why)
		}
		done(pos, err)
	})
}

// Known implements engine.Log. If this node does not know the key, the store is asked: by a message with
// the id that the store refuses, after it has looked for the id. A replicated store refuses it before its
// servers agree on it. A message that they refuse only after that, as one that expects another id before
// it, stops the stream for good (nats-server 2.15.3).
func (e *Engine) Known(room string, m engine.Message, done func(engine.Position, error)) {
	e.begin(&m, done, func(m engine.Message, done func(engine.Position, error)) { e.inClass(room, m, done, (*Engine).known) })
}

// known is Known in an open class.
func (e *Engine) known(c *class, room string, m engine.Message, done func(engine.Position, error)) {
	now := e.now()
	if pos, known, err := e.findKey(room, m, now); known {
		done(pos, err)
		return
	}
	m.Data, m.Original = slices.Clone(m.Data), slices.Clone(m.Original)
	e.askFor(c, room, m, ids.Of(room, m.Key), done)
}

// askFor asks the store whether it knows the id of a message.
func (e *Engine) askFor(c *class, room string, m engine.Message, id ids.ID, done func(engine.Position, error)) {
	header := id.Header()
	header.Set(jetstream.MsgRollup, neverRollup)
	e.acks.Publish(acks.Message{Subject: c.Room(room), Header: header, Done: func(a acks.Ack, err error) {
		var refused *acks.Refusal
		switch {
		case errors.As(err, &refused) && refused.IsRollup():
			done(engine.Position{}, nil)
		case err != nil:
			done(engine.Position{}, fault.Of(err))
		default:
			e.repeated(c, room, m, a.Seq, done, func(error) { e.askFor(c, room, m, id.After(a.Seq), done) })
		}
	}})
}

// neverRollup asks for a rollup that no stream does: those of webim permit none, and no kind of rollup has
// this name.
const neverRollup = "none"

// Pace implements engine.Pacer. If several hubs share the engine, the last one sets the pause.
func (e *Engine) Pace(pause func() time.Duration) { e.acks.Pace(pause) }
