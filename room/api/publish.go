package api

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/wire"
)

// What a message may have besides its data, which the body's limit bounds.
const (
	maxKey  = 255 // bytes of an idempotency key
	maxTags = 64  // of a message
)

// message is what publish and broadcast say about what is published.
type message struct {
	Data           jsontext.Value    `json:"data"`
	B64Data        []byte            `json:"b64data"`
	SkipHistory    bool              `json:"skip_history"`
	Tags           map[string]string `json:"tags"`
	IdempotencyKey string            `json:"idempotency_key"`
	User           string            `json:"user"`  // the author; "": nobody in particular
	Info           jsontext.Value    `json:"info"`  // shown with it
	Delta          bool              `json:"delta"` // accepted, and has no effect: no client is offered deltas
}

// message is the message as room takes it. Keys of the API are its own: no
// client's can meet them.
func (m *message) message() (room.Message, error) {
	data, err := either("data", m.Data, m.B64Data)
	switch {
	case err != nil:
		return room.Message{}, err
	case data == nil:
		return room.Message{}, bad("data is missing")
	case len(m.IdempotencyKey) > maxKey:
		return room.Message{}, bad("idempotency_key is longer than " + strconv.Itoa(maxKey) + " bytes")
	case len(m.Tags) > maxTags:
		return room.Message{}, bad("there are more than " + strconv.Itoa(maxTags) + " tags")
	}
	out := room.Message{Op: room.OpJSON, Data: data, Tags: m.Tags, Skip: m.SkipHistory}
	if out.From, err = m.author(); err != nil {
		return room.Message{}, err
	}
	if out.From != nil {
		out.Tags = maps.Clone(m.Tags)
		if out.Tags == nil {
			out.Tags = map[string]string{}
		}
		out.Tags[tagVia] = viaAPI
	}
	if m.IdempotencyKey != "" {
		out.Key = "api:" + m.IdempotencyKey
	}
	return out, nil
}

// tagVia says how a message with an author came, if it was not the author's client
// that sent it.
const (
	tagVia = "via"
	viaAPI = "api"
)

// author is who the backend says has said it; nil is nobody in particular.
func (m *message) author() (*room.Author, error) {
	if len(m.Info) == 0 && m.User == "" {
		return nil, nil
	}
	if len(m.User) > wire.MaxRoomName || !utf8.ValidString(m.User) || strings.ContainsFunc(m.User, unicode.IsControl) {
		return nil, bad("user is longer than " + strconv.Itoa(wire.MaxRoomName) + " bytes, or has control characters")
	}
	a := &room.Author{User: m.User}
	if len(m.Info) > 0 {
		info, err := wire.Data(false, m.Info)
		if err != nil {
			return nil, bad("info must be one JSON value, at most 50 levels deep")
		}
		a.ConnInfo = info
	}
	return a, nil
}

// either is a value that comes as JSON or in base64, nil if there is none.
func either(name string, plain jsontext.Value, b64 []byte) ([]byte, error) {
	switch {
	case len(b64) == 0:
		return plain, nil
	case len(plain) > 0:
		return nil, bad(name + " is there twice, as JSON and in base64")
	}
	return b64, nil
}

type publishRequest struct {
	Channel string `json:"channel"`
	message `json:",inline"`
}

type position struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

func (h *Handler) publish(ctx context.Context, q *publishRequest) (*position, error) {
	if q.Channel == "" {
		return nil, bad("channel is missing")
	}
	m, err := q.message.message()
	if err != nil {
		return nil, err
	}
	pos, err := wait(ctx, func(done func(room.Position, error)) { h.cfg.Hub.Publish(q.Channel, m, done) })
	if err != nil {
		return nil, err
	}
	return &position{pos.Offset, pos.Epoch}, nil
}

type broadcastRequest struct {
	Channels []string `json:"channels"`
	message  `json:",inline"`
}

type broadcastResult struct {
	Responses []publishResponse `json:"responses"`
}

type publishResponse struct {
	Error  *Error    `json:"error,omitzero"`
	Result *position `json:"result,omitzero"`
}

func (h *Handler) broadcast(ctx context.Context, q *broadcastRequest) (*broadcastResult, error) {
	if len(q.Channels) == 0 {
		return nil, bad("channels is missing")
	}
	if len(q.Channels) > h.cfg.MaxChannels {
		return nil, bad("there are more than " + strconv.Itoa(h.cfg.MaxChannels) + " channels")
	}
	m, err := q.message.message()
	if err != nil {
		return nil, err
	}
	all, err := wait(ctx, func(done func([]room.Published, error)) {
		h.cfg.Hub.Broadcast(q.Channels, m, func(all []room.Published) { done(all, nil) })
	})
	if err != nil {
		return nil, err
	}
	res := &broadcastResult{Responses: make([]publishResponse, len(all))}
	for i, one := range all {
		if one.Err != nil {
			res.Responses[i].Error = errorOf(one.Err)
		} else {
			res.Responses[i].Result = &position{one.Position.Offset, one.Position.Epoch}
		}
	}
	return res, nil
}

type sendRequest struct {
	target `json:",inline"`
	Data   jsontext.Value `json:"data"`
}

// send pushes data to connections of a user, of no room.
func (h *Handler) send(ctx context.Context, q *sendRequest) (*empty, error) {
	if len(q.Data) == 0 {
		return nil, bad("data is missing")
	}
	return h.command(ctx, room.Order{Kind: room.OrderSend, To: q.target.target(), Data: q.Data})
}

// jsonOf is a publication's data as JSON, or as bytes where it is none.
func jsonOf(p room.Publication) (data jsontext.Value, b64 []byte) {
	if data, ok := p.JSON(); ok && wire.Valid(data) {
		return data, nil
	}
	return nil, p.Data
}
