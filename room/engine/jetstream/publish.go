package jetstream

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/logread"
)

// Publish implements engine.Log. It does not block: the message waits in a queue, and if that is full or
// the store cannot be reached, done gets engine.ErrUnavailable at once. A message is sent at most once: if
// no answer comes, done gets engine.ErrUnknown.
func (e *Engine) Publish(room string, m engine.Message, done func(engine.Position, error)) {
	if done == nil {
		done = func(engine.Position, error) {}
	}
	e.inClass(room, m, done, (*Engine).publish)
}

// inClass calls f with the class of a room, as soon as the stream of the class is open. If that has to wait,
// f gets a copy of the message.
func (e *Engine) inClass(room string, m engine.Message, done func(engine.Position, error), f func(*Engine, *class, string, engine.Message, func(engine.Position, error))) {
	if err := e.unavailable(); err != nil {
		done(engine.Position{}, err)
		return
	}
	c := e.class(room)
	if c.incarnation.Load() != nil {
		f(e, c, room, m, done)
		return
	}
	m.Data, m.Original = slices.Clone(m.Data), slices.Clone(m.Original)
	e.whenReady(c, func(err error) {
		if err != nil {
			done(engine.Position{}, err)
			return
		}
		e.inClass(room, m, done, f)
	})
}

// publish is Publish in an open class.
func (e *Engine) publish(c *class, room string, m engine.Message, done func(engine.Position, error)) {
	now := e.now()
	m.Keep = nil // the settings say it to each node
	back, depth := e.hint(room)
	env := encode(&m, now, back, depth)
	var header nats.Header
	if m.Key != "" {
		if pos, known, err := e.keys.Find(room, m, now); known {
			done(pos, err)
			return
		}
		m.Data, m.Original = slices.Clone(m.Data), slices.Clone(m.Original) // they are compared later
		env.Key = contentOf(&m)
		if e.ids.take(m.Payer, now) {
			header = idOf(room, m.Key)
		}
	}
	e.seal(room, env, func(err error) {
		if err != nil {
			done(engine.Position{}, e.outcome(err))
			return
		}
		e.acks.Publish(acks.Message{Subject: c.subject(room), Header: header, Data: envelope.Append(nil, env), Done: func(a acks.Ack, err error) {
			if err != nil {
				done(engine.Position{}, e.outcome(err))
				return
			}
			e.whenStored(c.stream, func(err error) {
				switch {
				case err != nil:
					done(engine.Position{}, fmt.Errorf("%w: %w", engine.ErrUnknown, err))
				case a.Duplicate:
					e.repeated(c, room, m, a.Seq, done)
				default:
					e.stored(c, room, m, tip{offset: a.Seq, back: env.Back, depth: env.Depth}, done)
				}
			})
		}})
	})
}

// stored is called when the store has a message.
func (e *Engine) stored(c *class, room string, m engine.Message, at tip, done func(engine.Position, error)) {
	epoch, _ := e.epochOf(c, room)
	pos := engine.Position{Epoch: epoch, Offset: at.offset}
	if m.Key != "" {
		e.keys.Add(room, m, pos, e.now())
	}
	e.setHint(room, at)
	done(pos, nil)
}

// repeated is called when the store knows the key of a message, which this node does not: it was published
// at seq, on another node or before a restart. A job compares the two messages.
func (e *Engine) repeated(c *class, room string, m engine.Message, seq uint64, done func(engine.Position, error)) {
	e.jobs.Go(func() {
		one, err := e.read.At(e.ctx, c.stream, seq)
		if err != nil && !errors.Is(err, logread.ErrNone) {
			done(engine.Position{}, e.outcome(err))
			return
		}
		epoch, _ := e.epochOf(c, room)
		pos := engine.Position{Epoch: epoch, Offset: seq}
		if err == nil {
			switch same, err := e.isSame(one.Data, &m); {
			case err != nil:
				done(engine.Position{}, e.outcome(err))
				return
			case !same:
				done(engine.Position{}, engine.ErrKeyReused)
				return
			}
		}
		e.keys.Add(room, m, pos, e.now())
		done(pos, engine.ErrRepeated)
	})
}

// Known implements engine.Log. If this node does not know the key, the store is asked: by a message with
// the id that expects an impossible message before it. The store first looks for the id.
func (e *Engine) Known(room string, m engine.Message, done func(engine.Position, error)) {
	e.inClass(room, m, done, (*Engine).known)
}

// known is Known in an open class.
func (e *Engine) known(c *class, room string, m engine.Message, done func(engine.Position, error)) {
	now := e.now()
	if pos, known, err := e.keys.Find(room, m, now); known {
		done(pos, err)
		return
	}
	m.Data, m.Original = slices.Clone(m.Data), slices.Clone(m.Original)
	header := idOf(room, m.Key)
	header.Set(nats.ExpectedLastMsgIdHdr, neverID)
	e.acks.Publish(acks.Message{Subject: c.subject(room), Header: header, Done: func(a acks.Ack, err error) {
		var refused *acks.Refusal
		switch {
		case errors.As(err, &refused) && refused.IsWrongID():
			done(engine.Position{}, nil)
		case err != nil:
			done(engine.Position{}, e.outcome(err))
		default:
			e.repeated(c, room, m, a.Seq, done)
		}
	}})
}

// neverID is an id that no message has: ids are longer.
const neverID = "none"

// idOf returns the header by which the store knows a message with this key again.
func idOf(room, key string) nats.Header {
	h := sha256.New()
	writePart(h, room)
	writePart(h, key)
	return nats.Header{nats.MsgIdHdr: []string{short(h.Sum(nil))}}
}

// contentOf returns a hash of the content of a message, by which another node compares it. As in package
// published, the content is what the sender sent.
func contentOf(m *engine.Message) string {
	h := sha256.New()
	data, skip := m.Data, m.Skip
	if m.Original != nil {
		data, skip = m.Original, false
	}
	h.Write([]byte{byte(m.Op), 0})
	if skip {
		h.Write([]byte{1})
	}
	writePart(h, data)
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		writePart(h, name)
		writePart(h, m.Tags[name])
	}
	return short(h.Sum(nil))
}

// writePart writes a part with its length, so that different parts never give the same bytes.
func writePart[S string | []byte](h hash.Hash, part S) {
	h.Write(binary.AppendUvarint(nil, uint64(len(part))))
	h.Write([]byte(part))
}

// short returns the first 16 bytes of a hash as text.
func short(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:16]) }

// ids counts the ids that the store remembers because of this node. Each takes some 150 bytes of the
// server's memory until the window ends. So their number is limited, and shared by the payers; a message
// that gets no id is known again only on this node.
type ids struct {
	window time.Duration

	mu    sync.Mutex // innermost, except the mutex of a budget.Pool
	pool  *budget.Pool
	taken []takenID // in the order of their time
}

type takenID struct {
	payer budget.Owner
	until time.Time
}

// take reports whether a message of this payer gets an id.
func (l *ids) take(payer budget.Owner, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.taken) && !l.taken[n].until.After(now) {
		l.pool.Add(l.taken[n].payer, -1)
		n++
	}
	l.taken = l.taken[n:]
	if !l.pool.Take(payer, 1) {
		return false
	}
	l.taken = append(l.taken, takenID{payer, now.Add(l.window)})
	return true
}

// hint returns Back and Depth for the next publication of a room.
func (e *Engine) hint(room string) (back uint64, depth uint8) {
	e.mu.RLock()
	t, at := e.topics[room], e.hints[room]
	e.mu.RUnlock()
	if t != nil {
		t.mu.Lock()
		at = t.tip
		t.mu.Unlock()
	}
	if at.offset == 0 {
		return 0, 0
	}
	return at.next()
}

// maxHints is the number of rooms without members here of which a node remembers the tip.
const maxHints = 10_000

// setHint remembers the tip of a room, if it has no topic.
func (e *Engine) setHint(room string, at tip) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.topics[room] != nil || e.hints[room].offset > at.offset {
		return
	}
	if len(e.hints) >= maxHints {
		clear(e.hints) // a room without a hint is only read more slowly
	}
	e.hints[room] = at
}
