package messages

import (
	"webim/room"
	"webim/room/engine"
	"webim/room/rpc"
)

// MaxPiece is the maximum number of publications that a walk reads at once.
const MaxPiece = 1000

// Limits of what a page reads of the log. A page is shorter, or even empty, if its messages are further
// apart: then the next page goes on from there.
const (
	MaxWalk        = 5000 // publications
	maxWalkReplies = 4    // bytes, in sizes of a reply
)

// A Walk reads a room's log piece by piece, in one direction. The caller of the call pays for it.
type Walk struct {
	call *rpc.Call
	room string
	q    room.HistoryQuery // the next piece
	Top  engine.Position   // at the first piece
	Last uint64            // offset of the last publication that was read
	read int               // publications
	cost int               // of these, by engine.Cost
	End  bool              // there are no more
}

// NewWalk begins a walk through a room: from the newest publication, or as q says.
func NewWalk(call *rpc.Call, name string, q room.HistoryQuery) *Walk {
	return &Walk{call: call, room: name, q: q}
}

// StopAt ends a walk that goes backwards before it reads this offset.
func (w *Walk) StopAt(offset uint64) { w.q.Behind = offset }

// Piece reads the next publications, at most limit, and at most as many bytes as a reply carries.
func (w *Walk) Piece(limit int) ([]engine.Publication, error) {
	w.q.Limit, w.q.Bytes = limit, w.call.MaxReply()
	got, err := w.call.History(w.room, w.q)
	if err != nil {
		return nil, err
	}
	if w.read == 0 {
		w.Top = got.Top
	}
	all := got.Publications
	if w.End = len(all) == 0; w.End {
		return nil, nil
	}
	for i := range all {
		w.cost += engine.Cost(&all[i])
	}
	w.read += len(all)
	w.Last = all[len(all)-1].Offset
	w.q.Since = &engine.Position{Epoch: got.Top.Epoch, Offset: w.Last}
	return all, nil
}

// HasSpent reports whether the walk has read as much as a page may.
func (w *Walk) HasSpent() bool {
	return w.read >= MaxWalk || w.cost >= maxWalkReplies*w.call.MaxReply()
}
