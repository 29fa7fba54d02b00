package chat

import (
	"context"

	"webim/room"
	"webim/room/chat/emoji"
	"webim/room/chat/messages"
	"webim/room/chat/store"
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
	e, ok := emoji.Of(q.Emoji)
	if !ok {
		return empty{}, badRequest("emoji must be exactly one emoji")
	}
	message, err := messages.Exists(ctx, call.Hub, q.Room, q.Offset)
	if err != nil {
		return empty{}, err
	}
	id, s := messages.ReactionID{Room: q.Room, Message: message, Emoji: e, By: messages.Owner(call.Author())}, store.New(call.State())
	if q.Remove {
		if was, err := id.Remove(ctx, s); err != nil || !was {
			return empty{}, err
		}
		return empty{}, publishReaction(call, id, messages.EventUnreact)
	}
	messages.ForgetReactions(ctx, s, call.Hub, q.Room)
	if isNew, err := id.Add(ctx, s, call.Retention(q.Room).Age); err != nil || !isNew {
		return empty{}, err
	}
	if err = publishReaction(call, id, messages.EventReact); err != nil {
		id.TakeBack(ctx, s)
	}
	return empty{}, err
}

// publishReaction publishes the event of a reaction.
func publishReaction(call *rpc.Call, id messages.ReactionID, event string) error {
	of := messages.Number(id.Message.Offset)
	_, err := call.Publish(room.SessionMessage{Room: id.Room, Data: messages.NoData, Event: true,
		CompactKey: "react " + of + " " + id.Emoji + " " + id.By,
		Tags:       map[string]string{engine.TagEvent: event, engine.TagOf: of, messages.TagEmoji: id.Emoji},
	})
	return err
}
