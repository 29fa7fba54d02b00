package chat

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/await"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

// found is a message in a room's history, which may be deleted or forgotten.
type found struct {
	message  engine.Publication
	revision revision
	gone     bool // the message is deleted
	lost     bool // the room has forgotten the message, but not an edit of it
	top      engine.Position
}

// find looks for a message that exists and is not deleted; otherwise the error is ErrNoMessage.
func find(ctx context.Context, h *room.Hub, name string, offset uint64) (*found, error) {
	f, err := search(ctx, h, name, offset)
	if err == nil && (f.gone || f.lost) {
		err = wire.ErrNoMessage
	}
	return f, err
}

// exists fails with ErrNoMessage unless a message exists and is not deleted. It returns the room's
// epoch. It reads only the message, so it may miss a deletion that is not finished yet.
func exists(ctx context.Context, h *room.Hub, name string, offset uint64) (epoch string, err error) {
	if offset == 0 {
		return "", wire.ErrNoMessage
	}
	message, top, err := publicationAt(ctx, h, name, offset)
	if err == nil && (message == nil || !isMessage(*message) || message.Redacted()) {
		err = wire.ErrNoMessage
	}
	return top.Epoch, err
}

// search looks for a message, including deleted and forgotten ones. It finds a forgotten message by
// its newest edit. If it finds none, the error is ErrNoMessage.
func search(ctx context.Context, h *room.Hub, name string, offset uint64) (*found, error) {
	if offset == 0 {
		return nil, wire.ErrNoMessage
	}
	message, top, err := publicationAt(ctx, h, name, offset)
	if err != nil {
		return nil, err
	}
	f := &found{message: engine.Publication{Offset: offset}, top: top}
	if f.revision, _, err = read[revision](ctx, serverStore(h), revisionKey(name, top.Epoch, offset)); err != nil {
		return nil, err
	}
	switch {
	case message != nil && !isMessage(*message):
		return nil, wire.ErrNoMessage
	case message != nil:
		f.message = *message
	case len(f.revision.Edits) == 0:
		return nil, wire.ErrNoMessage
	default:
		edit, _, err := publicationAt(ctx, h, name, f.revision.Edits[len(f.revision.Edits)-1])
		if err == nil && (edit == nil || !isAbout(*edit, engine.EventEdit, offset)) {
			err = wire.ErrNoMessage
		}
		if err != nil {
			return nil, err
		}
		f.message.From, f.lost = edit.From, true // only the author can edit a message
	}
	f.gone = f.message.Redacted() || f.revision.Deleted
	return f, nil
}

// publicationAt reads the publication at an offset, or nil if the room has none there.
func publicationAt(ctx context.Context, h *room.Hub, name string, offset uint64) (*engine.Publication, engine.Position, error) {
	got, err := history(ctx, h, name, engine.Span{Behind: offset - 1, Limit: 1})
	if err != nil || len(got.Publications) == 0 || got.Publications[0].Offset != offset {
		return nil, got.Top, err
	}
	return &got.Publications[0], got.Top, nil
}

// history reads a part of a room's history, for which the caller does not pay.
func history(ctx context.Context, h *room.Hub, name string, part engine.Span) (engine.History, error) {
	part.Keep = h.Keep(name)
	return await.Value(ctx, func(done func(engine.History, error)) { h.Engine().History(name, part, done) })
}

// redact removes the data of publications.
func redact(ctx context.Context, h *room.Hub, name string, offsets ...uint64) error {
	return await.Error(ctx, func(done func(error)) { h.Engine().Redact(name, offsets, done) })
}

// isMessage reports whether a publication is a message and not an event.
func isMessage(p engine.Publication) bool { return p.Tags[engine.TagEvent] == "" && !p.Skip }

// owns reports whether the caller is the author of the message.
func (f *found) owns(a engine.Author) bool {
	return f.message.From != nil && owner(*f.message.From) == owner(a)
}

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
	event := room.SessionMessage{Room: q.Room, Data: q.Data, Tags: map[string]string{engine.TagEvent: engine.EventEdit, engine.TagOf: number(q.Offset)}}
	epoch, begun := "", false
	pos, err := checkAndPublish(call, policy.ActEditOwn, event, func() error {
		f, err := find(ctx, call.Hub, q.Room, q.Offset)
		if err == nil && !f.owns(call.Author()) {
			err = wire.ErrPermissionDenied
		}
		if err == nil {
			epoch, err = f.top.Epoch, beginEdit(ctx, call, q.Room, f)
			begun = err == nil
		}
		return err
	})
	if err != nil {
		if begun && !wire.IsInternal(err) { // after an internal error, the edit may have been published
			cancelEdit(ctx, call, q.Room, epoch, q.Offset)
		}
		return editResult{}, err
	}
	if _, err = find(ctx, call.Hub, q.Room, q.Offset); err == nil {
		err = endEdit(ctx, call, q.Room, epoch, q.Offset, pos.Offset)
	}
	if err != nil {
		if redact(ctx, call.Hub, q.Room, pos.Offset) == nil { // the call fails in any case
			cancelEdit(ctx, call, q.Room, epoch, q.Offset)
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
	f, err := search(ctx, call.Hub, q.Room, q.Offset)
	if err != nil {
		return empty{}, err
	}
	owns := f.owns(call.Author())
	if err = own; !owns {
		err = may(call, policy.ActDeleteAny, q.Room)
	}
	if err != nil {
		return empty{}, err
	}
	if !f.message.Redacted() {
		beginDeletion(ctx, call, q.Room, f.top.Epoch, q.Offset)
		event := room.SessionMessage{Room: q.Room, Data: noData, Always: true, CompactKey: "delete " + number(q.Offset), Tags: map[string]string{engine.TagEvent: eventDelete, engine.TagOf: number(q.Offset)}}
		if _, err := call.Publish(event); err != nil {
			cancelDeletion(ctx, call.Hub, q.Room, f.top.Epoch, q.Offset)
			return empty{}, err
		}
		if !owns {
			call.Audit(moderation.Audit{Action: "delete", Room: q.Room, Target: number(q.Offset)})
		}
	}
	return empty{}, removeText(ctx, call, q.Room, f.top.Epoch, q.Offset)
}

// removeText removes the text of a deleted message, its edits and its reactions.
func removeText(ctx context.Context, call *rpc.Call, name, epoch string, offset uint64) error {
	if err := removeRevision(ctx, call.Hub, name, epoch, offset); err != nil {
		return err
	}
	return clearReactions(ctx, store{call.State()}, name, epoch, offset)
}
