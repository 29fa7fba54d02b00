package chat

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/engine"
	"webim/room/rpc"
	"webim/room/wire"
)

// A revision is an entry of the State that says which events concern a message. An edit may come any
// time after its message; with the revisions, a page needs its messages and the edits that are named
// there, and not the whole log after the page.
//
// An edit is written down before it is published and again afterwards. In between, the revision says
// that the edit is behind an offset (Open and Since), and readers look for it there. So nothing is lost
// if the process ends in between. A deletion is written down before it is published; at its end, when the
// log no longer has the text, it removes the revision.
//
// Readers read the log first and the revisions afterwards, so they know of every edit up to the newest
// publication that they have seen.

// revision is the value of an entry of TableRevision.
type revision struct {
	Edits   []uint64 `json:"edits,omitempty"`  // offsets of the edits, growing; the last one has the text
	Deleted bool     `json:"deleted,omitzero"` // the message is being deleted
	Open    int      `json:"open,omitzero"`    // number of edits that are being published
	Since   uint64   `json:"since,omitzero"`   // these edits are behind this offset
	Begun   int64    `json:"begun,omitzero"`   // unix milliseconds: when the last of these edits began
}

// Limits of revisions.
const (
	maxEdits     = 64          // offsets in a revision; the text of an older edit is removed
	maxOpenTime  = time.Minute // an edit that is open for longer has failed
	maxOpenRead  = 256         // publications that a page reads for an open edit
	maxOpenEdits = 16          // open edits that a page looks for
	maxSearch    = 10_000      // publications that an edit or a deletion reads to find open edits
	recentEdits  = 256         // newest publications in which a deletion looks for edits
)

// revisionName returns the name of the revision of a message. The names of a room's revisions are in the
// order of its messages.
func revisionName(epoch string, offset uint64) string {
	return fmt.Sprintf("%s/%016x", epoch, offset)
}

func revisionKey(name, epoch string, offset uint64) engine.Key {
	return engine.Key{Table: engine.TableRevision, Of: name, Name: revisionName(epoch, offset)}
}

// revisedOffset is the inverse of revisionName. ok is false if the entry belongs to another epoch.
func revisedOffset(e engine.Entry, epoch string) (offset uint64, ok bool) {
	text, ok := strings.CutPrefix(e.Name, epoch+"/")
	offset, err := strconv.ParseUint(text, 16, 64)
	return offset, ok && err == nil
}

// add adds offsets of edits.
func (r *revision) add(offsets ...uint64) {
	r.Edits = append(r.Edits, offsets...)
	slices.Sort(r.Edits)
	r.Edits = slices.Compact(r.Edits)
}

// close says that an edit is no longer being published.
func (r *revision) close() {
	if r.Open = max(0, r.Open-1); r.Open == 0 {
		r.Since, r.Begun = 0, 0
	}
}

// hasFailed reports whether the edits that are open were abandoned.
func (r *revision) hasFailed(now time.Time) bool {
	return r.Open > 0 && now.Sub(time.UnixMilli(r.Begun)) > maxOpenTime
}

// isAbout reports whether a publication is the given event about the message at an offset.
func isAbout(p engine.Publication, event string, offset uint64) bool {
	return p.Tags[engine.TagEvent] == event && p.Tags[engine.TagOf] == number(offset)
}

// editsIn returns the offsets of the edits of a message.
func editsIn(all []engine.Publication, offset uint64) (edits []uint64) {
	for _, p := range all {
		if isAbout(p, engine.EventEdit, offset) {
			edits = append(edits, p.Offset)
		}
	}
	return edits
}

// openEdits finds the edits of a message that its revision does not name yet.
func openEdits(ctx context.Context, h *room.Hub, name string, offset uint64, r revision) (edits []uint64, err error) {
	if r.Open == 0 {
		return nil, nil
	}
	const piece = 1000
	for behind, read := r.Since, 0; read < maxSearch; {
		got, err := history(ctx, h, name, engine.Span{Behind: behind, Limit: piece})
		if err != nil || len(got.Publications) == 0 {
			return edits, err
		}
		edits = append(edits, editsIn(got.Publications, offset)...)
		read += len(got.Publications)
		behind = got.Publications[len(got.Publications)-1].Offset
	}
	return edits, nil
}

// beginEdit writes down that an edit of a message is about to be published.
func beginEdit(ctx context.Context, call *rpc.Call, name string, f *found) error {
	now, s := time.Now(), store{call.State()}
	failed := f.revision.hasFailed(now)
	var edits []uint64
	if failed {
		var err error
		if edits, err = openEdits(ctx, call.Hub, name, f.message.Offset, f.revision); err != nil {
			return err
		}
	}
	isNew, gone := false, false
	err := changeEntry(ctx, s, revisionKey(name, f.top.Epoch, f.message.Offset), func(r *revision, e *engine.Entry) bool {
		if isNew, gone = e.Version == 0, r.Deleted; gone {
			return false
		}
		if failed && r.Begun == f.revision.Begun {
			r.add(edits...)
			r.Open = 0
		}
		if r.Open == 0 {
			r.Since = f.top.Offset
		}
		r.Open++
		r.Begun = now.UnixMilli()
		if age := call.Retention(name).Age; age > 0 {
			e.Expires = now.Add(age)
		}
		return true
	})
	switch {
	case err == nil && gone:
		return wire.ErrNoMessage
	case err == nil && isNew:
		forgetRevisions(ctx, s, call.Hub, name)
	}
	return err
}

// cancelEdit undoes beginEdit. An error is ignored: the edit stays open, and a later one closes it.
func cancelEdit(ctx context.Context, call *rpc.Call, name, epoch string, offset uint64) {
	undo(ctx, store{call.State()}, revisionKey(name, epoch, offset), (*revision).close)
}

// undo changes a revision, and removes it if nothing is left in it.
func undo(ctx context.Context, s store, k engine.Key, f func(*revision)) {
	for range maxTries {
		r, e, err := read[revision](ctx, s, k)
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

// endEdit writes down the offset of an edit. It fails with ErrNoMessage if the message was deleted
// meanwhile. Of very many edits of a message, it removes the texts of the oldest ones.
func endEdit(ctx context.Context, call *rpc.Call, name, epoch string, offset, edit uint64) error {
	gone, old := false, []uint64(nil)
	err := change(ctx, store{call.State()}, revisionKey(name, epoch, offset), func(r *revision, there bool) bool {
		if gone, old = !there || r.Deleted, nil; gone {
			return false
		}
		r.add(edit)
		r.close()
		if n := len(r.Edits) - maxEdits; n > 0 {
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
		return redact(ctx, call.Hub, name, old...)
	}
	return nil
}

// beginDeletion writes down that a message is being deleted. An error is ignored: then readers know it
// from the log, a moment later. The server pays, so that users that have used up their share can still
// delete messages.
func beginDeletion(ctx context.Context, call *rpc.Call, name, epoch string, offset uint64) {
	_ = changeEntry(ctx, serverStore(call.Hub), revisionKey(name, epoch, offset), func(r *revision, e *engine.Entry) bool {
		if age := call.Retention(name).Age; age > 0 && e.Version == 0 {
			e.Expires = time.Now().Add(age)
		}
		was := r.Deleted
		r.Deleted = true
		return !was
	})
}

// cancelDeletion undoes beginDeletion. An error is ignored: readers then show the message as deleted,
// until somebody deletes it again.
func cancelDeletion(ctx context.Context, h *room.Hub, name, epoch string, offset uint64) {
	undo(ctx, serverStore(h), revisionKey(name, epoch, offset), func(r *revision) { r.Deleted = false })
}

// removeRevision removes the texts of all edits of a deleted message from the log, and then the revision.
// If an edit comes in between, it starts again.
func removeRevision(ctx context.Context, h *room.Hub, name, epoch string, offset uint64) error {
	s, k := serverStore(h), revisionKey(name, epoch, offset)
	for try := 1; ; try++ {
		r, e, err := read[revision](ctx, s, k)
		if err != nil {
			return err
		}
		open, err := openEdits(ctx, h, name, offset, r)
		if err != nil {
			return err
		}
		r.add(open...)
		// Another node may know of an edit that this one does not know of yet; it is among the newest ones then.
		newest, err := history(ctx, h, name, engine.Span{Newest: true, Limit: recentEdits})
		if err != nil {
			return err
		}
		r.add(editsIn(newest.Publications, offset)...)
		if err := redact(ctx, h, name, append(r.Edits, offset)...); err != nil || e.Version == 0 {
			return err
		}
		if err := s.Delete(ctx, k, e.Version); err != engine.ErrVersion || try == maxTries {
			return err
		}
	}
}

// forgetRevisions removes some revisions of messages that the room has forgotten, with their edits. It
// is called for each new revision and may remove ten, so old ones cannot pile up. Errors are ignored:
// the next call tries again.
func forgetRevisions(ctx context.Context, s store, h *room.Hub, name string) {
	entries, err := s.List(ctx, engine.TableRevision, name, "", 10)
	if err != nil || len(entries) == 0 {
		return
	}
	got, err := history(ctx, h, name, engine.Span{Limit: 1})
	if err != nil || len(got.Publications) == 0 {
		return
	}
	for _, e := range entries {
		var r revision
		offset, ok := revisedOffset(e, got.Top.Epoch)
		if json.Unmarshal(e.Value, &r) == nil && r.Open > 0 && ok {
			continue
		}
		if newest := slices.Max(append(r.Edits, offset)); !ok || newest < got.Publications[0].Offset {
			_ = s.Delete(ctx, e.Key, e.Version)
		}
	}
}

// revisionsOf reads the revisions of the messages of a page. If the page is in one piece, they are one
// range of names.
func revisionsOf(ctx context.Context, s store, name, epoch string, page []*Message, whole bool) (map[uint64]revision, error) {
	all := map[uint64]revision{}
	add := func(e engine.Entry) error {
		offset, ok := revisedOffset(e, epoch)
		if !ok || e.Version == 0 {
			return nil
		}
		var r revision
		err := json.Unmarshal(e.Value, &r)
		all[offset] = r
		return err
	}
	if !whole {
		for _, m := range page {
			e, err := s.Get(ctx, revisionKey(name, epoch, m.Offset))
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
	for after, end := revisionName(epoch, page[0].Offset-1), revisionName(epoch, page[len(page)-1].Offset); ; {
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

// revise brings the messages of a page up to date. They may have events that are already applied. whole
// says that the page has every message between its first and its last one.
func revise(ctx context.Context, call *rpc.Call, name, epoch string, page []*Message, whole bool) error {
	if len(page) == 0 {
		return nil
	}
	all, err := revisionsOf(ctx, store{call.State()}, name, epoch, page, whole)
	if err != nil {
		return err
	}
	call.HasRead(len(all))
	open := 0
	for _, m := range page {
		r, there := all[m.Offset]
		if !there || m.Deleted {
			continue
		}
		if r.Deleted {
			m.delete()
			continue
		}
		if n := len(r.Edits); n > 0 && r.Edits[n-1] > m.latest {
			if err := m.readEdits(call, name, r.Edits[n-1]-1, 1); err != nil {
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
			m.apply(p)
		}
	}
	return err
}
