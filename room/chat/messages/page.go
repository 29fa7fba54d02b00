package messages

import (
	"cmp"
	"context"
	"slices"

	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/rpc"
)

// A Page is some messages of a room, the oldest first.
type Page struct {
	Messages []*Message
	Top      engine.Position
	More     bool   // there may be more messages in the direction of reading
	Next     uint64 // if More, and whole: the next page has the messages before it, or with forward after it

	forward bool // read from the oldest message to the newest one
	whole   bool // has every message between the first and the last one
}

// ReadPage reads the newest messages of a room, or those before an offset, or those after one: at most
// limit, and not more than one that exceeds most bytes.
func ReadPage(call *rpc.Call, name string, before, after *uint64, limit, most int) (*Page, error) {
	q := room.HistoryQuery{Reverse: after == nil}
	if from := cmp.Or(after, before); from != nil {
		q.Since = &engine.Position{Offset: *from}
	}
	w := NewWalk(call, name, q)
	p := &Page{Messages: []*Message{}, forward: after != nil, whole: true}
	var all []engine.Publication // in the direction of reading
	for size := limit + limit/4 + 8; ; size = min(2*size, MaxPiece) {
		got, err := w.Piece(size)
		if err != nil {
			return nil, err
		}
		p.Top = w.Top
		all = append(all, got...)
		if p.forward {
			p.Messages = Fold(all)
		} else {
			p.Messages = FoldBackwards(all)
		}
		if p.cut(limit, most); p.More || w.End {
			return p, nil
		}
		if w.HasSpent() {
			p.More, p.Next = true, w.Last
			return p, nil
		}
	}
}

// PageAt reads the messages at some offsets, if they exist.
func PageAt(call *rpc.Call, name string, offsets []uint64) (*Page, error) {
	slices.Sort(offsets)
	got, err := call.History(name, room.HistoryQuery{})
	if err != nil {
		return nil, err
	}
	p := &Page{Messages: []*Message{}, forward: true, Top: got.Top}
	left := call.MaxReply()
	for _, offset := range slices.Compact(offsets) {
		if offset == 0 || offset > p.Top.Offset {
			continue
		}
		got, err := call.History(name, room.HistoryQuery{Since: &engine.Position{Epoch: p.Top.Epoch, Offset: offset - 1}, Limit: 1})
		if err != nil {
			return nil, err
		}
		if one := Fold(got.Publications); len(one) == 1 && one[0].Offset == offset {
			p.Messages = append(p.Messages, one[0])
			if left -= one[0].Size(); left < 0 {
				break // cut leaves the last one out
			}
		}
	}
	return p, nil
}

// Complete brings the messages up to date, shortens the page if they have become longer, and adds the
// reactions.
func (p *Page) Complete(ctx context.Context, call *rpc.Call, name string, most int) error {
	if err := Revise(ctx, call, name, p.Messages, p.whole); err != nil {
		return err
	}
	p.cut(len(p.Messages), most)
	for _, m := range p.Messages {
		m.Repair()
	}
	read, err := AddReactions(ctx, store.New(call.State()), name, p.Messages, p.whole)
	call.HasRead(read)
	return err
}

// cut shortens a page to a number of messages, and to the bytes that a reply may carry. It drops the
// messages that come last in the direction of reading, but always keeps one. If it drops any, More is
// true.
func (p *Page) cut(limit, most int) {
	all, fits := p.Messages, 0
	for ; fits < min(limit, len(all)); fits++ {
		m := all[fits]
		if !p.forward {
			m = all[len(all)-1-fits]
		}
		if most -= m.Size(); most < 0 && fits > 0 {
			break
		}
	}
	if fits == len(all) {
		return
	}
	p.More = true
	switch {
	case !p.forward:
		p.Messages = all[len(all)-fits:]
		p.Next = p.Messages[0].Offset
	case p.whole:
		p.Messages = all[:fits]
		p.Next = p.Messages[fits-1].Offset
	default:
		p.Messages = all[:fits]
	}
}
