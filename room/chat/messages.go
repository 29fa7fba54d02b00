package chat

import (
	"context"
	"time"

	"webim/room/chat/messages"
	"webim/room/policy"
	"webim/room/rpc"
)

type messagesRequest struct {
	inRoom
	Limit  *int    `json:"limit"`
	Before *uint64 `json:"before"`
	After  *uint64 `json:"after"`

	Offsets []uint64 `json:"offsets"` // only these, if they exist
}

type messagesResult struct {
	Messages []*messages.Message `json:"messages"`
	Offset   uint64              `json:"offset"`
	Epoch    string              `json:"epoch"`
	More     bool                `json:"more"`          // there may be older messages, or with After newer ones
	Next     uint64              `json:"next,omitzero"` // if there are: the value of Before or After for the next page
	Now      int64               `json:"now"`           // the server's clock, in unix milliseconds
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
	var p *messages.Page
	if q.Offsets != nil {
		p, err = messages.PageAt(call, q.Room, q.Offsets)
	} else {
		p, err = messages.ReadPage(call, q.Room, q.Before, q.After, limit, call.MaxReply())
	}
	if err == nil {
		err = p.Complete(ctx, call, q.Room, call.MaxReply())
	}
	if err != nil {
		return res, err
	}
	return messagesResult{p.Messages, p.Top.Offset, p.Top.Epoch, p.More, p.Next, time.Now().UnixMilli()}, nil
}
