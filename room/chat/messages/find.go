package messages

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/await"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/wire"
)

// Found is a message in a room's history, which may be deleted or forgotten.
type Found struct {
	room     string
	message  engine.Publication
	revision revision
	gone     bool // the message is deleted
	lost     bool // the room has forgotten the message, but not an edit of it
	top      engine.Position
}

// Owns reports whether somebody is the author of the message.
func (f *Found) Owns(a engine.Author) bool {
	return f.message.From != nil && Owner(*f.message.From) == Owner(a)
}

// HasText reports whether the log still has the text of the message.
func (f *Found) HasText() bool { return !f.message.Redacted() }

// key returns the key of the message's revision.
func (f *Found) key() engine.Key { return revisionKey(f.room, RefOf(&f.message)) }

// Find looks for a message that exists and is not deleted; otherwise the error is ErrNoMessage.
func Find(ctx context.Context, h *room.Hub, name string, offset uint64) (*Found, error) {
	f, err := Search(ctx, h, name, offset)
	if err == nil && (f.gone || f.lost) {
		err = wire.ErrNoMessage
	}
	return f, err
}

// Exists fails with ErrNoMessage unless a message exists and is not deleted. It reads only the message, so it
// may miss a deletion that is not finished yet.
func Exists(ctx context.Context, h *room.Hub, name string, offset uint64) (Ref, error) {
	if offset == 0 {
		return Ref{}, wire.ErrNoMessage
	}
	message, _, err := publicationAt(ctx, h, name, offset)
	if err == nil && (message == nil || !IsMessage(*message) || message.Redacted()) {
		err = wire.ErrNoMessage
	}
	if err != nil {
		return Ref{}, err
	}
	return RefOf(message), nil
}

// Search looks for a message, including deleted and forgotten ones. It finds a forgotten message by
// its newest edit. If it finds none, the error is ErrNoMessage.
func Search(ctx context.Context, h *room.Hub, name string, offset uint64) (*Found, error) {
	if offset == 0 {
		return nil, wire.ErrNoMessage
	}
	message, top, err := publicationAt(ctx, h, name, offset)
	if err != nil {
		return nil, err
	}
	f := &Found{room: name, top: top}
	switch {
	case message == nil:
		err = f.searchEdit(ctx, h, offset)
	case !IsMessage(*message):
		err = wire.ErrNoMessage
	default:
		f.message = *message
		f.revision, _, err = store.Read[revision](ctx, store.New(h.Engine()), f.key())
	}
	if err != nil {
		return nil, err
	}
	f.gone = f.message.Redacted() || f.revision.Deleted
	return f, nil
}

// searchEdit looks for an edit of a message that the room has forgotten.
func (f *Found) searchEdit(ctx context.Context, h *room.Hub, offset uint64) error {
	const lost = 8 // revisions of messages that were lost at this offset are before that of the last one
	entries, err := store.New(h.Engine()).List(ctx, engine.TableRevision, f.room, offsetName(offset), lost)
	if err != nil {
		return err
	}
	for _, e := range entries {
		ref, _, ok := cutRef(e.Name)
		if !ok || ref.Offset != offset {
			break
		}
		f.revision = revision{}
		if err := json.Unmarshal(e.Value, &f.revision); err != nil {
			return err
		}
		f.message = engine.Publication{Offset: offset, Time: time.Unix(0, ref.Time)}
	}
	if len(f.revision.Edits) == 0 {
		return wire.ErrNoMessage
	}
	edit, _, err := publicationAt(ctx, h, f.room, f.revision.Edits[len(f.revision.Edits)-1])
	if err == nil && (edit == nil || !isAbout(*edit, engine.EventEdit, offset)) {
		err = wire.ErrNoMessage
	}
	if err != nil {
		return err
	}
	f.message.From, f.lost = edit.From, true // only the author can edit a message
	return nil
}

// nextAt returns the Ref of the first publication that a room has at the offset of an entry, or after it; the
// zero Ref if there is none.
func nextAt(ctx context.Context, h *room.Hub, name string, e engine.Entry) (Ref, error) {
	at, _, _ := cutRef(e.Name)
	got, err := History(ctx, h, name, engine.Span{Behind: max(at.Offset, 1) - 1, Limit: 1})
	if err != nil || len(got.Publications) == 0 {
		return Ref{}, err
	}
	return RefOf(&got.Publications[0]), nil
}

// publicationAt reads the publication at an offset, or nil if the room has none there.
func publicationAt(ctx context.Context, h *room.Hub, name string, offset uint64) (*engine.Publication, engine.Position, error) {
	got, err := History(ctx, h, name, engine.Span{Behind: offset - 1, Limit: 1})
	if err != nil || len(got.Publications) == 0 || got.Publications[0].Offset != offset {
		return nil, got.Top, err
	}
	return &got.Publications[0], got.Top, nil
}

// History reads a part of a room's history, for which no caller pays.
func History(ctx context.Context, h *room.Hub, name string, part engine.Span) (engine.History, error) {
	part.Keep = h.Keep(name)
	return await.Value(ctx, func(done func(engine.History, error)) { h.Engine().History(name, part, done) })
}

// Redact removes the data of publications.
func Redact(ctx context.Context, h *room.Hub, name string, offsets ...uint64) error {
	return await.Error(ctx, func(done func(error)) { h.Engine().Redact(name, offsets, done) })
}
