package chat

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/chat/messages"
	"webim/room/policy"
	"webim/room/rpc"
)

type sendRequest struct {
	inRoom
	ID    *string        `json:"id"`
	Data  jsontext.Value `json:"data"`
	Reply uint64         `json:"reply"`
}

type sendResult struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

// maxID limits the bytes of the id that a client gives a message.
const maxID = 64

func (c *Chat) send(ctx context.Context, call *rpc.Call, q *sendRequest) (sendResult, error) {
	what := room.SessionMessage{Room: q.Room, Data: q.Data, Tags: map[string]string{}}
	if q.ID != nil {
		if err := checkID(*q.ID); err != nil {
			return sendResult{}, err
		}
		what.Tags[messages.TagID] = *q.ID
		what.Key = fmt.Sprintf("send %q %s", messages.Owner(call.Author()), *q.ID) // quoted: otherwise user "a b" with id "c" would have the key of user "a" with id "b c"
	}
	if q.Reply != 0 {
		what.Tags[messages.TagReply] = messages.Number(q.Reply)
	}
	pos, err := checkAndPublish(call, policy.ActSend, what, func() error {
		if q.Reply == 0 {
			return nil
		}
		_, err := messages.Exists(ctx, call.Hub, q.Room, q.Reply)
		return err
	})
	return sendResult{pos.Offset, pos.Epoch}, err
}

func checkID(id string) error {
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return badRequest("id must have 1 to %d bytes without control characters", maxID)
	}
	return nil
}

type typingRequest struct {
	inRoom
}

// typing runs on a worker.
func (c *Chat) typing(_ context.Context, call *rpc.Call, q *typingRequest) (empty, error) {
	if err := may(call, policy.ActTyping, q.Room); err != nil {
		return empty{}, err
	}
	return empty{}, call.Typing(q.Room)
}
