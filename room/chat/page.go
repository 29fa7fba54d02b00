package chat

import (
	"cmp"
	"context"
	"slices"

	"webim/room"
	"webim/room/engine"
	"webim/room/rpc"
)

// A page is some messages of a room, the oldest first.
type page struct {
	messages []*Message
	forward  bool // read from the oldest message to the newest one
	whole    bool // has every message between the first and the last one
	top      engine.Position
	more     bool   // there may be more messages in the direction of reading
	next     uint64 // if more, and whole: the next page has the messages before it, or with forward after it
}

// Limits of what a page reads of the log. A page is shorter, or even empty, if its messages are further
// apart: then the next page goes on from there.
const (
	maxWalk        = 5000 // publications
	maxWalkReplies = 4    // bytes, in sizes of a reply
)

// walk reads a room's log piece by piece, in one direction. The caller of the call pays for it.
type walk struct {
	call *rpc.Call
	room string
	q    room.HistoryQuery // the next piece
	top  engine.Position   // at the first piece
	last uint64            // offset of the last publication that was read
	read int               // publications
	cost int               // of these, by engine.Cost
	end  bool              // there are no more
}

// piece reads the next publications, at most limit, and at most as many bytes as a reply carries.
func (w *walk) piece(limit int) ([]engine.Publication, error) {
	w.q.Limit, w.q.Bytes = limit, w.call.MaxReply()
	got, err := w.call.History(w.room, w.q)
	if err != nil {
		return nil, err
	}
	if w.read == 0 {
		w.top = got.Top
	}
	all := got.Publications
	if w.end = len(all) == 0; w.end {
		return nil, nil
	}
	for i := range all {
		w.cost += engine.Cost(&all[i])
	}
	w.read += len(all)
	w.last = all[len(all)-1].Offset
	w.q.Since = &engine.Position{Epoch: got.Top.Epoch, Offset: w.last}
	return all, nil
}

// hasSpent reports whether the walk has read as much as a page may.
func (w *walk) hasSpent() bool {
	return w.read >= maxWalk || w.cost >= maxWalkReplies*w.call.MaxReply()
}

// readPage reads the newest messages of a room, or those before an offset, or those after one: at most
// limit, and not more than one that exceeds most bytes.
func readPage(call *rpc.Call, name string, before, after *uint64, limit, most int) (*page, error) {
	w := &walk{call: call, room: name, q: room.HistoryQuery{Reverse: after == nil}}
	p := &page{messages: []*Message{}, forward: after != nil, whole: true}
	if from := cmp.Or(after, before); from != nil {
		w.q.Since = &engine.Position{Offset: *from}
	}
	var all []engine.Publication // in the direction of reading
	for size := limit + limit/4 + 8; ; size = min(2*size, maxPiece) {
		got, err := w.piece(size)
		if err != nil {
			return nil, err
		}
		p.top = w.top
		all = append(all, got...)
		p.messages = fold(all, p.forward)
		if p.cut(limit, most); p.more || w.end {
			return p, nil
		}
		if w.hasSpent() {
			p.more, p.next = true, w.last
			return p, nil
		}
	}
}

// maxPiece is the maximum number of publications that a walk reads at once.
const maxPiece = 1000

// fold is Fold for publications that may have the newest first. It does not change them.
func fold(all []engine.Publication, oldestFirst bool) []*Message {
	if !oldestFirst {
		all = slices.Clone(all)
		slices.Reverse(all)
	}
	if messages := Fold(all); messages != nil {
		return messages
	}
	return []*Message{}
}

// pageOf reads the messages at some offsets, if they exist.
func pageOf(call *rpc.Call, name string, offsets []uint64) (*page, error) {
	slices.Sort(offsets)
	got, err := call.History(name, room.HistoryQuery{})
	if err != nil {
		return nil, err
	}
	p := &page{messages: []*Message{}, forward: true, top: got.Top}
	left := call.MaxReply()
	for _, offset := range slices.Compact(offsets) {
		if offset == 0 || offset > p.top.Offset {
			continue
		}
		got, err := call.History(name, room.HistoryQuery{Since: &engine.Position{Epoch: p.top.Epoch, Offset: offset - 1}, Limit: 1})
		if err != nil {
			return nil, err
		}
		if one := Fold(got.Publications); len(one) == 1 && one[0].Offset == offset {
			p.messages = append(p.messages, one[0])
			if left -= one[0].size(); left < 0 {
				break // cut leaves the last one out
			}
		}
	}
	return p, nil
}

// complete brings the messages up to date, shortens the page if they have become longer, and adds the
// reactions.
func (p *page) complete(ctx context.Context, call *rpc.Call, name string, most int) error {
	if err := revise(ctx, call, name, p.top.Epoch, p.messages, p.whole); err != nil {
		return err
	}
	p.cut(len(p.messages), most)
	for _, m := range p.messages {
		m.repair()
	}
	return addReactions(ctx, call, name, p.top.Epoch, p.messages, p.whole)
}

// cut shortens a page to a number of messages, and to the bytes that a reply may carry. It drops the
// messages that come last in the direction of reading, but always keeps one. If it drops any, more is
// true.
func (p *page) cut(limit, most int) {
	all, fits := p.messages, 0
	for ; fits < min(limit, len(all)); fits++ {
		m := all[fits]
		if !p.forward {
			m = all[len(all)-1-fits]
		}
		if most -= m.size(); most < 0 && fits > 0 {
			break
		}
	}
	if fits == len(all) {
		return
	}
	p.more = true
	switch {
	case !p.forward:
		p.messages = all[len(all)-fits:]
		p.next = p.messages[0].Offset
	case p.whole:
		p.messages = all[:fits]
		p.next = p.messages[fits-1].Offset
	default:
		p.messages = all[:fits]
	}
}
