package messages

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
)

// Writing reactions: see reactions.go.

// Add stores the reaction, unless the message has too many. The entry lasts as long as a message of this
// age, if that is positive. isNew is false if the author has reacted with the emoji before.
func (id ReactionID) Add(ctx context.Context, s store.Store, age time.Duration) (isNew bool, err error) {
	if err := id.check(ctx, s); err != nil {
		return false, err
	}
	now := time.Now()
	e := engine.Entry{Key: id.Key(), Value: strconv.AppendInt(nil, now.UnixNano(), 10)}
	if age > 0 && age != engine.Forever {
		e.Expires = now.Add(age)
	}
	_, err = s.Put(ctx, e)
	if err == engine.ErrVersion {
		return false, nil
	}
	return err == nil, err
}

// TakeBack removes a reaction that Add has stored and that could not be published. An error is ignored.
func (id ReactionID) TakeBack(ctx context.Context, s store.Store) {
	_ = s.Delete(ctx, id.Key(), engine.AnyVersion)
}

// check fails if the message of the reaction has too many reactions, in all or of different emoji. It counts
// the entries and reads at most one for each emoji, so it stays cheap: every user that may send may
// call it as often as it may send messages.
func (id ReactionID) check(ctx context.Context, s store.Store) error {
	first, end := id.Message.String()+"/", id.Message.String()+"0" // "0" is after "/"
	n, err := s.CountEntries(ctx, engine.TableReaction, id.Room, first, end)
	if err != nil {
		return err
	}
	if n >= MaxReactors {
		return errTooManyReactions
	}
	after := first
	for range MaxReactions { // the new emoji is one of them
		one, err := s.List(ctx, engine.TableReaction, id.Room, after, 1)
		if err != nil || len(one) == 0 || one[0].Name >= end {
			return err
		}
		r, ok := reactionOf(one[0])
		if !ok || r.emoji == id.Emoji { // the emoji is there already, so it is not a new one
			return nil
		}
		after = first + r.emoji + "0" // sorts after all keys with the emoji and "/"
	}
	return errTooManyReactions
}

var errTooManyReactions = store.LimitExceeded(fmt.Sprintf("a message has at most %d different reactions, and %d in all", MaxReactions, MaxReactors))

// Remove removes the reaction. was is false if there is none, or if another call removes it.
func (id ReactionID) Remove(ctx context.Context, s store.Store) (was bool, err error) {
	e, err := s.Get(ctx, id.Key())
	if err != nil || e.Version == 0 {
		return false, err
	}
	return s.Delete(ctx, e.Key, e.Version) == nil, nil
}

// ForgetReactions removes some reactions to messages that the room has forgotten or lost. It is called for
// each new reaction and may remove ten, so old reactions cannot pile up. Errors are ignored: the next
// call tries again.
func ForgetReactions(ctx context.Context, s store.Store, h *room.Hub, name string) {
	entries, err := s.List(ctx, engine.TableReaction, name, "", 10)
	if err != nil || len(entries) == 0 {
		return
	}
	next, err := nextAt(ctx, h, name, entries[0])
	if err != nil || next == (Ref{}) {
		return
	}
	for _, e := range entries {
		if r, ok := reactionOf(e); !ok || r.message.isGone(next) {
			_ = s.Delete(ctx, e.Key, e.Version)
		}
	}
}
