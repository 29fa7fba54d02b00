package messages

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/rpc"
	"webim/room/wire"
)

// Writing revisions: see revision.go.

// BeginEdit writes down that an edit of the message is about to be published. The caller pays for it.
func (f *Found) BeginEdit(ctx context.Context, call *rpc.Call) error {
	now, s := time.Now(), store.New(call.State())
	failed := f.revision.hasFailed(now)
	var edits []uint64
	if failed {
		var err error
		if edits, err = openEdits(ctx, call.Hub, f.room, f.message.Offset, f.revision); err != nil {
			return err
		}
	}
	isNew, gone := false, false
	err := store.ChangeEntry(ctx, s, f.key(), func(r *revision, e *engine.Entry) bool {
		if isNew, gone = e.Version == 0, r.Deleted; gone {
			return false
		}
		if failed && r.Begun == f.revision.Begun {
			r.add(edits...)
			r.Open = 0
		}
		if r.Open == 0 || r.Since > f.top.Offset { // greater: the log has lost its end
			r.Since = f.top.Offset
		}
		r.Open++
		r.Begun = now.UnixMilli()
		if age := call.Retention(f.room).Age; age > 0 {
			e.Expires = now.Add(age)
		}
		return true
	})
	switch {
	case err == nil && gone:
		return wire.ErrNoMessage
	case err == nil && isNew:
		forgetRevisions(ctx, s, call.Hub, f.room)
	}
	return err
}

// CancelEdit undoes BeginEdit. An error is ignored: the edit stays open, and a later one closes it.
func (f *Found) CancelEdit(ctx context.Context, call *rpc.Call) {
	undo(ctx, store.New(call.State()), f.key(), (*revision).close)
}

// undo changes a revision, and removes it if nothing is left in it.
func undo(ctx context.Context, s store.Store, k engine.Key, f func(*revision)) {
	for range store.MaxTries {
		r, e, err := store.Read[revision](ctx, s, k)
		if err != nil || e.Version == 0 {
			return
		}
		f(&r)
		if len(r.Edits) == 0 && r.Open == 0 && !r.Deleted {
			err = s.Delete(ctx, k, e.Version)
		} else if e.Value, err = json.Marshal(r); err == nil {
			_, err = s.Put(ctx, e)
		}
		if err != engine.ErrVersion {
			return
		}
	}
}

// EndEdit writes down the offset of an edit. It fails with ErrNoMessage if the message was deleted
// meanwhile. Of very many edits of a message, it removes the texts of the oldest ones.
func (f *Found) EndEdit(ctx context.Context, call *rpc.Call, edit uint64) error {
	gone, old := false, []uint64(nil)
	err := store.Change(ctx, store.New(call.State()), f.key(), func(r *revision, there bool) bool {
		if gone, old = !there || r.Deleted, nil; gone {
			return false
		}
		r.add(edit)
		r.close()
		if n := len(r.Edits) - MaxEdits; n > 0 {
			old, r.Edits = r.Edits[:n], r.Edits[n:]
		}
		return true
	})
	switch {
	case err != nil:
		return err
	case gone:
		return wire.ErrNoMessage
	case len(old) > 0:
		return f.redactEdits(ctx, call.Hub, old)
	}
	return nil
}

// BeginDeletion writes down that a message is being deleted. An error is ignored: then readers know it
// from the log, a moment later. The server pays, so that users that have used up their share can still
// delete messages.
func (f *Found) BeginDeletion(ctx context.Context, call *rpc.Call) {
	_ = store.ChangeEntry(ctx, store.New(call.Hub.Engine()), f.key(), func(r *revision, e *engine.Entry) bool {
		if age := call.Retention(f.room).Age; age > 0 && e.Version == 0 {
			e.Expires = time.Now().Add(age)
		}
		was := r.Deleted
		r.Deleted = true
		return !was
	})
}

// CancelDeletion undoes BeginDeletion. An error is ignored: readers then show the message as deleted,
// until somebody deletes it again.
func (f *Found) CancelDeletion(ctx context.Context, h *room.Hub) {
	undo(ctx, store.New(h.Engine()), f.key(), func(r *revision) { r.Deleted = false })
}

// RemoveText removes the text of a deleted message, its edits and its reactions.
func (f *Found) RemoveText(ctx context.Context, call *rpc.Call) error {
	if err := f.removeRevision(ctx, call.Hub); err != nil {
		return err
	}
	return clearReactions(ctx, store.New(call.State()), f.room, f.message.Offset)
}

// removeRevision removes the texts of a deleted message and of all its edits from the log, and then the
// revision. If an edit comes in between, it starts again.
func (f *Found) removeRevision(ctx context.Context, h *room.Hub) error {
	s, k, offset := store.New(h.Engine()), f.key(), f.message.Offset
	for try := 1; ; try++ {
		r, e, err := store.Read[revision](ctx, s, k)
		if err != nil {
			return err
		}
		open, err := openEdits(ctx, h, f.room, offset, r)
		if err != nil {
			return err
		}
		r.add(open...)
		// Another node may know of an edit that this one does not know of yet; it is among the newest ones then.
		newest, err := History(ctx, h, f.room, engine.Span{Newest: true, Limit: RecentEdits})
		if err != nil {
			return err
		}
		r.add(editsIn(newest.Publications, offset)...)
		if err := errors.Join(f.redactEdits(ctx, h, r.Edits), Redact(ctx, h, f.room, offset)); err != nil || e.Version == 0 {
			return err
		}
		if err := s.Delete(ctx, k, e.Version); err != engine.ErrVersion || try == store.MaxTries {
			return err
		}
	}
}

// redactEdits removes the texts of edits of the message. If the log has lost some with its end, other publications may
// have their offsets: these stay.
func (f *Found) redactEdits(ctx context.Context, h *room.Hub, edits []uint64) error {
	is := make([]uint64, 0, len(edits))
	for _, offset := range edits {
		p, _, err := publicationAt(ctx, h, f.room, offset)
		if err != nil {
			return err
		}
		if p == nil || isAbout(*p, engine.EventEdit, f.message.Offset) { // nil: the room does not show it any more, but the store may have it
			is = append(is, offset)
		}
	}
	return Redact(ctx, h, f.room, is...)
}
