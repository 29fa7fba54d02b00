package chat

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
)

type reactRequest struct {
	inRoom
	Offset uint64 `json:"offset"`
	Emoji  string `json:"emoji"`
	Remove bool   `json:"remove"`
}

// react adds or removes a reaction of the caller.
func (c *Chat) react(ctx context.Context, call *rpc.Call, q *reactRequest) (empty, error) {
	if err := may(call, policy.ActReact, q.Room); err != nil {
		return empty{}, err
	}
	emoji, ok := emojiOf(q.Emoji)
	if !ok {
		return empty{}, badRequest("emoji must be exactly one emoji")
	}
	epoch, err := exists(ctx, call.Hub, q.Room, q.Offset)
	if err != nil {
		return empty{}, err
	}
	k := reactionKey(q.Room, epoch, q.Offset, emoji, owner(call.Author()))
	if q.Remove {
		return empty{}, removeReaction(ctx, call, q, k, emoji)
	}
	forgetReactions(ctx, call, q.Room)
	return empty{}, addReaction(ctx, call, q, k, epoch, emoji)
}

// addReaction stores and publishes a reaction, unless the message has too many.
func addReaction(ctx context.Context, call *rpc.Call, q *reactRequest, k engine.Key, epoch, emoji string) error {
	s := store{call.State()}
	if err := checkReactions(ctx, s, q, epoch, emoji); err != nil {
		return err
	}
	now := time.Now()
	e := engine.Entry{Key: k, Value: strconv.AppendInt(nil, now.UnixNano(), 10)}
	if age := call.Retention(q.Room).Age; age > 0 && age != engine.Forever {
		e.Expires = now.Add(age)
	}
	_, err := s.Put(ctx, e)
	if err == engine.ErrVersion {
		return nil // the caller has reacted with it before
	}
	if err != nil {
		return err
	}
	if err = publishReaction(call, q, eventReact, emoji); err != nil {
		_ = s.Delete(ctx, k, engine.AnyVersion) // the call fails in any case
	}
	return err
}

// checkReactions fails if the message has too many reactions, in all or of different emoji. It counts
// the entries and reads at most one for each emoji, so it stays cheap: every user that may send may
// call it as often as it may send messages.
func checkReactions(ctx context.Context, s store, q *reactRequest, epoch, emoji string) error {
	first, end := reactionsBefore(epoch, q.Offset), reactionsBefore(epoch, q.Offset+1)
	n, err := s.CountEntries(ctx, engine.TableReaction, q.Room, first, end)
	if err != nil {
		return err
	}
	if n >= maxReactors {
		return errTooManyReactions
	}
	after := first
	for range maxReactions { // the new emoji is one of them
		one, err := s.List(ctx, engine.TableReaction, q.Room, after, 1)
		if err != nil || len(one) == 0 || one[0].Name >= end {
			return err
		}
		r, ok := reactionOf(one[0], epoch)
		if !ok || r.emoji == emoji { // the emoji is there already, so it is not a new one
			return nil
		}
		after = first + r.emoji + "0" // sorts after all keys with the emoji and "/"
	}
	return errTooManyReactions
}

var errTooManyReactions = limitExceeded(fmt.Sprintf("a message has at most %d different reactions, and %d in all", maxReactions, maxReactors))

// removeReaction removes a reaction and publishes that. If there is none, that is not an error.
func removeReaction(ctx context.Context, call *rpc.Call, q *reactRequest, k engine.Key, emoji string) error {
	s := store{call.State()}
	e, err := s.Get(ctx, k)
	if err != nil || e.Version == 0 {
		return err
	}
	if s.Delete(ctx, k, e.Version) != nil {
		return nil // another call has removed it
	}
	return publishReaction(call, q, eventUnreact, emoji)
}

// publishReaction publishes the event of a reaction.
func publishReaction(call *rpc.Call, q *reactRequest, event, emoji string) error {
	_, err := call.Publish(room.SessionMessage{Room: q.Room, Data: noData, Event: true,
		CompactKey: "react " + number(q.Offset) + " " + emoji + " " + owner(call.Author()),
		Tags:       map[string]string{engine.TagEvent: event, engine.TagOf: number(q.Offset), tagEmoji: emoji},
	})
	return err
}

// forgetReactions removes some reactions to messages that the room has forgotten. It is called for
// each new reaction and may remove ten, so old reactions cannot pile up. Errors are ignored: the next
// call tries again.
func forgetReactions(ctx context.Context, call *rpc.Call, name string) {
	s := store{call.State()}
	entries, err := s.List(ctx, engine.TableReaction, name, "", 10)
	if err != nil || len(entries) == 0 {
		return
	}
	got, err := history(ctx, call.Hub, name, engine.Span{Limit: 1})
	if err != nil || len(got.Publications) == 0 {
		return
	}
	for _, e := range entries {
		if r, ok := reactionOf(e, got.Top.Epoch); !ok || r.offset < got.Publications[0].Offset {
			_ = s.Delete(ctx, e.Key, e.Version)
		}
	}
}
