package messages

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
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
	MaxEdits     = 64          // offsets in a revision; the text of an older edit is removed
	maxOpenTime  = time.Minute // an edit that is open for longer has failed
	maxOpenRead  = 256         // publications that a page reads for an open edit
	maxOpenEdits = 16          // open edits that a page looks for
	maxSearch    = 10_000      // publications that an edit or a deletion reads to find open edits
	RecentEdits  = 256         // newest publications in which a deletion looks for edits
)

// revisionKey returns the key of the revision of a message.
func revisionKey(name string, message Ref) engine.Key {
	return engine.Key{Table: engine.TableRevision, Of: name, Name: message.String()}
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
		got, err := History(ctx, h, name, engine.Span{Behind: behind, Limit: piece})
		if err != nil || len(got.Publications) == 0 {
			return edits, err
		}
		edits = append(edits, editsIn(got.Publications, offset)...)
		read += len(got.Publications)
		behind = got.Publications[len(got.Publications)-1].Offset
	}
	return edits, nil
}

// forgetRevisions removes some revisions of messages that the room has forgotten or lost, with their edits. It
// is called for each new revision and may remove ten, so old ones cannot pile up. Errors are ignored:
// the next call tries again.
func forgetRevisions(ctx context.Context, s store.Store, h *room.Hub, name string) {
	entries, err := s.List(ctx, engine.TableRevision, name, "", 10)
	if err != nil || len(entries) == 0 {
		return
	}
	next, err := nextAt(ctx, h, name, entries[0])
	if err != nil || next == (Ref{}) {
		return
	}
	for _, e := range entries {
		var r revision
		ref, _, ok := cutRef(e.Name)
		if json.Unmarshal(e.Value, &r) == nil && r.Open > 0 && ok {
			continue
		}
		if newest := slices.Max(append(r.Edits, ref.Offset)); !ok || newest < next.Offset || ref.Offset == next.Offset && ref.isGone(next) {
			_ = s.Delete(ctx, e.Key, e.Version)
		}
	}
}
