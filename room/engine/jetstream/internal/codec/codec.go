package codec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/ids"
	"webim/room/engine/jetstream/internal/seal"
)

// ErrKey: the author's key is not in memory. Decode can fetch it if it may wait.
var ErrKey = errors.New("codec: the author's key has to be fetched")

// Codec encodes and decodes with the keys of a ring. All methods are safe for concurrent use.
type Codec struct {
	ctx    context.Context // ends calls that wait for keys
	ring   *seal.Ring
	erased func(ctx context.Context, user string, since time.Time) (bool, error)
}

// New makes a codec. Calls that wait for keys end with ctx. erased reports whether it is known that a user was erased at a time
// or later. It is asked if the store cannot say for certain that a key is missing, and may wait.
func New(ctx context.Context, ring *seal.Ring, erased func(ctx context.Context, user string, since time.Time) (bool, error)) *Codec {
	return &Codec{ctx, ring, erased}
}

// Encode returns the bytes to store for a message, before they are sealed.
func Encode(m *engine.Message, now time.Time, back uint64, depth uint8) *envelope.Envelope {
	env := &envelope.Envelope{Op: m.Op, Skip: m.Skip, Time: now.UnixNano(), CompactKey: m.CompactKey, Tags: m.Tags, Back: back, Depth: depth, Data: m.Data}
	if m.From != nil {
		env.HasAuthor, env.From = true, *m.From
	}
	if m.Key != "" {
		env.Key = ids.Content(m)
	}
	return env
}

// Seal seals the personal part of a message, if it has a user, and calls done when it is ready to be stored:
// before Seal returns, if the key is in memory. done gets the key, or nil if the message has no user. may is asked before a key
// is made: see seal.Ring. env.Data is not used after Seal has returned.
func (c *Codec) Seal(room string, env *envelope.Envelope, may func() (mark string, ok bool), done func(*seal.Key, error)) {
	if !env.HasAuthor || env.From.User == "" {
		done(nil, nil)
		return
	}
	personal := envelope.AppendPersonal(make([]byte, 0, len(env.Data)+64), env)
	c.ring.ForSealing(env.From.User, may, func(k *seal.Key, err error) {
		if err != nil {
			done(nil, err)
			return
		}
		env.Sealed = k.Seal(make([]byte, 0, len(personal)+seal.Overhead), personal, room, env.Time)
		if env.Key != "" {
			env.Key = ids.Short(k.Digest([]byte(env.Key)))
		}
		done(k, nil)
	})
}

// Unseal returns a sealed message as it was before it was sealed with a key, without Key, which nobody can restore.
func Unseal(room string, env *envelope.Envelope, k *seal.Key) (*envelope.Envelope, error) {
	opened := *env
	opened.Key = ""
	personal, err := k.Open(nil, env.Sealed, room, env.Time)
	if err == nil {
		err = opened.Reveal(personal)
	}
	return &opened, err
}

// Decode returns a stored publication, and the tip that it makes. The publication may use data. If the
// author's key is missing, the error is ErrKey, unless wait is true: then Decode fetches it.
func (c *Codec) Decode(room string, seq uint64, data []byte, wait bool) (p engine.Publication, at Tip, err error) {
	env, err := envelope.Decode(data)
	if err != nil {
		return p, Tip{Offset: seq}, err
	}
	at = tipIn(seq, &env)
	erased := false
	if env.Sealed != nil {
		if erased, err = c.reveal(room, &env, wait); err != nil {
			return p, at, err
		}
	}
	p = engine.Publication{Offset: seq, Time: time.Unix(0, env.Time)}
	p.Op, p.Data, p.Tags, p.CompactKey, p.Skip = env.Op, env.Data, env.Tags, env.CompactKey, env.Skip
	if env.HasAuthor {
		p.From = &env.From
	}
	switch {
	case p.Skip:
		p = engine.Publication{Message: engine.Message{Skip: true}, Offset: p.Offset, Time: p.Time}
	case erased:
		p = p.Redact()
	}
	return p, at, nil
}

// IsDamaged reports whether this node can never decode a stored message: it or its author's key is damaged, or a
// newer webim has written it. Such a message is left out, so that it does not stop its room.
func IsDamaged(err error) bool {
	return errors.Is(err, envelope.ErrMalformed) || errors.Is(err, envelope.ErrVersion) || errors.Is(err, seal.ErrDamaged) || errors.Is(err, seal.ErrRecord)
}

// reveal opens the sealed part of a message. erased is true if that is not possible, because its author was
// erased. If the key is not in memory, the error is ErrKey, unless wait is true.
func (c *Codec) reveal(room string, env *envelope.Envelope, wait bool) (erased bool, err error) {
	k, err := c.keyOf(env, wait)
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
func (c *Codec) keyOf(env *envelope.Envelope, wait bool) (*seal.Key, error) {
	if !env.HasAuthor {
		return nil, fmt.Errorf("%w: it is sealed and has no author", envelope.ErrMalformed)
	}
	user, id := env.From.User, seal.KeyID(env.Sealed)
	k, err := c.ring.Peek(user, id)
	switch {
	case !errors.Is(err, seal.ErrAsk):
		return k, err
	case !wait:
		return nil, ErrKey
	}
	type answer struct {
		k   *seal.Key
		err error
	}
	answers := make(chan answer, 1)
	c.ring.ForOpening(user, id, func(k *seal.Key, err error) { answers <- answer{k, err} })
	select {
	case a := <-answers:
		if errors.Is(a.err, seal.ErrUnproven) {
			erased, err := c.erased(c.ctx, user, time.Unix(0, env.Time))
			if erased {
				return nil, seal.ErrErased
			}
			return nil, errors.Join(a.err, err)
		}
		return a.k, a.err
	case <-c.ctx.Done():
		return nil, engine.ErrUnavailable
	}
}

// IsSame reports whether a stored message has the content of another one with the same Key. k is the key with which the stored
// one is sealed; nil: it is not. If nobody can read the stored one, the error is seal.ErrErased, or one for which IsDamaged is
// true. It may wait.
func (c *Codec) IsSame(room string, env *envelope.Envelope, m *engine.Message) (same bool, k *seal.Key, err error) {
	content := ids.Content(m)
	if env.Sealed != nil {
		if k, err = c.keyOf(env, true); err == nil {
			_, err = Unseal(room, env, k)
		}
		if err != nil {
			return false, nil, err
		}
		content = ids.Short(k.Digest([]byte(content)))
	}
	return env.Key == content, k, nil
}
