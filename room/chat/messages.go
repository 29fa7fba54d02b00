package chat

import (
	"context"
	"strings"
	"time"

	"webim/room/policy"
	"webim/room/rpc"
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
	More     bool       `json:"more"`          // there may be older messages, or with After newer ones
	Next     uint64     `json:"next,omitzero"` // if there are: the value of Before or After for the next page
	Now      int64      `json:"now"`           // the server's clock, in unix milliseconds
}

const (
	defaultMessages = 50
	maxMessages     = 200
)

// messages reads a page of messages. It reads as much of the log as the page needs: the events about
// its messages that are elsewhere are named in their revisions.
func (c *Chat) messages(ctx context.Context, call *rpc.Call, q *messagesRequest) (res messagesResult, err error) {
	if err := may(call, policy.ActHistory, q.Room); err != nil {
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
	var p *page
	if q.Offsets != nil {
		p, err = pageOf(call, q.Room, q.Offsets)
	} else {
		p, err = readPage(call, q.Room, q.Before, q.After, limit, call.MaxReply())
	}
	if err == nil {
		err = p.complete(ctx, call, q.Room, call.MaxReply())
	}
	if err != nil {
		return res, err
	}
	return messagesResult{p.messages, p.top.Offset, p.top.Epoch, p.more, p.next, time.Now().UnixMilli()}, nil
}

// size returns the bytes of a message that its author has chosen.
func (m *Message) size() int {
	n := len(m.Data)
	if m.Info != nil {
		n += len(m.Info.ConnInfo) + len(m.Info.ChanInfo)
	}
	return n
}
