package chat

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

type editRequest struct {
	inRoom
	Offset uint64         `json:"offset"`
	Data   jsontext.Value `json:"data"`
}

type editResult struct {
	Offset uint64 `json:"offset"`
}

// edit publishes the new data of a message. If the message is deleted at the same time, the edit
// may come after the deletion, and its text would stay in the history. So edit looks for the
// message again after the edit has its offset: either the deletion sees the edit, or the edit sees
// the deletion.
func (c *Chat) edit(ctx context.Context, call *rpc.Call, q *editRequest) (editResult, error) {
	event := room.SessionMessage{Room: q.Room, Data: q.Data, Tags: map[string]string{engine.TagEvent: engine.EventEdit, engine.TagOf: messages.Number(q.Offset)}}
	var begun *messages.Found
	pos, err := checkAndPublish(call, policy.ActEditOwn, event, func() error {
		f, err := messages.Find(ctx, call.Hub, q.Room, q.Offset)
		if err == nil && !f.Owns(call.Author()) {
			err = wire.ErrPermissionDenied
		}
		if err == nil {
			err = f.BeginEdit(ctx, call)
		}
		if err == nil {
			begun = f
		}
		return err
	})
	if err != nil {
		if begun != nil && !wire.IsInternal(err) { // after an internal error, the edit may have been published
			begun.CancelEdit(ctx, call)
		}
		return editResult{}, err
	}
	if _, err = messages.Find(ctx, call.Hub, q.Room, q.Offset); err == nil {
		err = begun.EndEdit(ctx, call, pos.Offset)
	}
	if err != nil {
		if messages.Redact(ctx, call.Hub, q.Room, pos.Offset) == nil { // the call fails in any case
			begun.CancelEdit(ctx, call)
		}
		return editResult{}, err
	}
	return editResult{pos.Offset}, nil
}

type deleteRequest struct {
	inRoom
	Offset uint64 `json:"offset"`
}

// delete publishes that a message is deleted, and then removes its text and the texts of its edits
// from the history. Deleting a message twice is not an error.
func (c *Chat) delete(ctx context.Context, call *rpc.Call, q *deleteRequest) (empty, error) {
	own := may(call, policy.ActDeleteOwn, q.Room)
	if own != nil && may(call, policy.ActDeleteAny, q.Room) != nil {
		return empty{}, own
	}
	f, err := messages.Search(ctx, call.Hub, q.Room, q.Offset)
	if err != nil {
		return empty{}, err
	}
	owns := f.Owns(call.Author())
	if err = own; !owns {
		err = may(call, policy.ActDeleteAny, q.Room)
	}
	if err != nil {
		return empty{}, err
	}
	if f.HasText() {
		f.BeginDeletion(ctx, call)
		event := room.SessionMessage{Room: q.Room, Data: messages.NoData, Always: true, CompactKey: "delete " + messages.Number(q.Offset), Tags: map[string]string{engine.TagEvent: messages.EventDelete, engine.TagOf: messages.Number(q.Offset)}}
		if _, err := call.Publish(event); err != nil {
			f.CancelDeletion(ctx, call.Hub)
			return empty{}, err
		}
		if !owns {
			call.Audit(moderation.Audit{Action: "delete", Room: q.Room, Target: messages.Number(q.Offset)})
		}
	}
	return empty{}, f.RemoveText(ctx, call)
}
