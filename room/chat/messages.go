package chat

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"webim/room"
)

// userOf returns the user of an owner (see owner). ok is false if the owner has no user.
func userOf(owner string) (user string, ok bool) { return strings.CutPrefix(owner, "user ") }

type messagesRequest struct {
	inRoom
	Limit  *int    `json:"limit"`
	Before *uint64 `json:"before"`
	After  *uint64 `json:"after"`

	Offsets []uint64 `json:"offsets"` // only these, if they exist
}

type messagesResult struct {
	Messages []*Message `json:"messages"`
	Offset   uint64     `json:"offset"`
	Epoch    string     `json:"epoch"`
	More     bool       `json:"more"` // there are older messages, or with After newer ones
	Now      int64      `json:"now"`  // the server's clock, in unix milliseconds
}

const (
	defaultMessages = 50
	maxMessages     = 200
)

// messages folds the whole history for one page, because the events about a message may come
// anywhere after it. This takes about 200 ns per publication; the room's retention and the rate
// limit of reading calls bound it.
func (c *Chat) messages(ctx context.Context, call *room.Call, q *messagesRequest) (res messagesResult, err error) {
	if err := may(call, room.ActHistory, q.Room); err != nil {
		return res, err
	}
	limit := defaultMessages
	if q.Limit != nil {
		limit = *q.Limit
	}
	ways := 0
	for _, given := range []bool{q.Before != nil, q.After != nil, q.Offsets != nil} {
		if given {
			ways++
		}
	}
	if limit < 1 || limit > maxMessages || ways > 1 || len(q.Offsets) > maxMessages {
		return res, badRequest("limit must be 1 to 200, offsets at most 200, and only one of before, after and offsets set")
	}
	got, err := call.History(q.Room, room.HistoryQuery{Limit: -1})
	if err != nil {
		return res, err
	}
	page, more := cut(Fold(got.Publications), q, limit)
	page, more = fit(page, more, q, call.MaxReply())
	for _, m := range page {
		m.repair()
	}
	if err := addReactions(ctx, call, q.Room, got.Top.Epoch, page); err != nil {
		return res, err
	}
	return messagesResult{page, got.Top.Offset, got.Top.Epoch, more, time.Now().UnixMilli()}, nil
}

// fit shortens a page to the bytes that a reply may carry. It drops the messages that come last in
// the direction of reading, but always keeps one. If it drops any, more is true.
func fit(page []*Message, more bool, q *messagesRequest, most int) ([]*Message, bool) {
	forward, fits := q.After != nil || q.Offsets != nil, 0
	for ; fits < len(page); fits++ {
		m := page[fits]
		if !forward {
			m = page[len(page)-1-fits]
		}
		if most -= m.size(); most < 0 && fits > 0 {
			break
		}
	}
	if fits == len(page) {
		return page, more
	}
	if forward {
		return page[:fits], true
	}
	return page[len(page)-fits:], true
}

// size returns the bytes of a message that its author has chosen.
func (m *Message) size() int {
	n := len(m.Data)
	if m.Info != nil {
		n += len(m.Info.ConnInfo) + len(m.Info.ChanInfo)
	}
	return n
}

// cut selects a page of messages: those after an offset, the last ones before an offset, or those
// at given offsets.
func cut(all []*Message, q *messagesRequest, limit int) (page []*Message, more bool) {
	if q.Offsets != nil {
		slices.Sort(q.Offsets)
		page = []*Message{}
		for _, offset := range slices.Compact(q.Offsets) {
			if at, ok := slices.BinarySearchFunc(all, offset, func(m *Message, offset uint64) int { return cmp.Compare(m.Offset, offset) }); ok {
				page = append(page, all[at])
			}
		}
		return page, false
	}
	if q.After != nil {
		from := slices.IndexFunc(all, func(m *Message) bool { return m.Offset > *q.After })
		if from < 0 {
			return []*Message{}, false
		}
		page = all[from:]
		return page[:min(limit, len(page))], len(page) > limit
	}
	if q.Before != nil {
		if to := slices.IndexFunc(all, func(m *Message) bool { return m.Offset >= *q.Before }); to >= 0 {
			all = all[:to]
		}
	}
	from := max(0, len(all)-limit)
	return slices.Concat([]*Message{}, all[from:]), from > 0
}
