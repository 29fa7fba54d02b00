package messages

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/rpc"
)

// Bringing the messages of a page up to date by their revisions: see revision.go.

// revisionsOf reads the revisions of the messages of a page. If the page is in one piece, they are one
// range of names.
func revisionsOf(ctx context.Context, s store.Store, name string, page []*Message, whole bool) (map[Ref]revision, error) {
	all := map[Ref]revision{}
	add := func(e engine.Entry) error {
		ref, _, ok := cutRef(e.Name)
		if !ok || e.Version == 0 {
			return nil
		}
		var r revision
		err := json.Unmarshal(e.Value, &r)
		all[ref] = r
		return err
	}
	if !whole {
		for _, m := range page {
			e, err := s.Get(ctx, revisionKey(name, m.ref))
			if err == nil {
				err = add(e)
			}
			if err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	const piece = 100
	for after, end := offsetName(page[0].Offset), page[len(page)-1].ref.String(); ; {
		entries, err := s.List(ctx, engine.TableRevision, name, after, piece)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Name > end {
				return all, nil
			}
			if err := add(e); err != nil {
				return nil, err
			}
		}
		if len(entries) < piece {
			return all, nil
		}
		after = entries[piece-1].Name
	}
}

// Revise brings the messages of a page up to date. They may have events that are already applied. whole
// says that the page has every message between its first and its last one.
func Revise(ctx context.Context, call *rpc.Call, name string, page []*Message, whole bool) error {
	if len(page) == 0 {
		return nil
	}
	all, err := revisionsOf(ctx, store.New(call.State()), name, page, whole)
	if err != nil {
		return err
	}
	call.HasRead(len(all))
	open := 0
	for _, m := range page {
		r, there := all[m.ref]
		if !there || m.Deleted {
			continue
		}
		if r.Deleted {
			m.delete()
			continue
		}
		for _, edit := range slices.Backward(r.Edits) {
			if edit <= m.latest {
				break // usually in the first or second round; only the end of a log may be lost, with some edits
			}
			if err := m.readEdits(call, name, edit-1, 1); err != nil {
				return err
			}
		}
		if r.Open > 0 && open < maxOpenEdits {
			open++
			if err := m.readEdits(call, name, r.Since, maxOpenRead); err != nil {
				return err
			}
		}
	}
	return nil
}

// readEdits applies the edits of the message among the first publications after an offset.
func (m *Message) readEdits(call *rpc.Call, name string, behind uint64, limit int) error {
	got, err := call.History(name, room.HistoryQuery{Since: &engine.Position{Offset: behind}, Limit: limit})
	for _, p := range got.Publications {
		if p.Offset > m.latest && isAbout(p, engine.EventEdit, m.Offset) {
			m.Apply(p)
		}
	}
	return err
}
