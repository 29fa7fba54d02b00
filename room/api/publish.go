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
	"webim/room/await"
	"webim/room/engine"
	"webim/room/wire"
)

// The limits of a message, besides the limit of the request's body.
const (
	maxKey  = 255 // bytes of an idempotency key
	maxTags = 64  // tags of a message
)

// message has the fields that publish and broadcast share.
type message struct {
	Data           jsontext.Value    `json:"data"`
	B64Data        []byte            `json:"b64data"`
	SkipHistory    bool              `json:"skip_history"`
	Tags           map[string]string `json:"tags"`
	IdempotencyKey string            `json:"idempotency_key"`
	User           string            `json:"user"`  // the author; "" means no author, unless info is set
	Info           jsontext.Value    `json:"info"`  // shown with the author
	Delta          bool              `json:"delta"` // accepted, without effect: webim offers clients no deltas
}

// message returns the message as package room takes it. The prefix keeps the API's idempotency keys
// apart from those of clients.
func (m *message) message() (engine.Message, error) {
	data, err := either("data", m.Data, m.B64Data)
	switch {
	case err != nil:
		return engine.Message{}, err
	case data == nil:
		return engine.Message{}, bad("data is missing")
	case len(m.IdempotencyKey) > maxKey:
		return engine.Message{}, bad("idempotency_key is longer than " + strconv.Itoa(maxKey) + " bytes")
	case len(m.Tags) > maxTags:
		return engine.Message{}, bad("there are more than " + strconv.Itoa(maxTags) + " tags")
	}
	out := engine.Message{Op: engine.OpJSON, Data: data, Tags: m.Tags, Skip: m.SkipHistory}
	if out.From, err = m.author(); err != nil {
		return engine.Message{}, err
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

// tagVia is the tag that says that a message with an author did not come from the author's client.
const (
	tagVia = "via"
	viaAPI = "api"
)

// author returns the author that the request names, or nil if it names none.
func (m *message) author() (*engine.Author, error) {
	if len(m.Info) == 0 && m.User == "" {
		return nil, nil
	}
	if len(m.User) > wire.MaxRoomName || !utf8.ValidString(m.User) || strings.ContainsFunc(m.User, unicode.IsControl) {
		return nil, bad("user is longer than " + strconv.Itoa(wire.MaxRoomName) + " bytes, is not UTF-8 or has control characters")
	}
	a := &engine.Author{User: m.User}
	if len(m.Info) > 0 {
		info, err := wire.Data(false, m.Info)
		if err != nil {
			return nil, bad("info must be one JSON value, at most 50 levels deep")
		}
		a.ConnInfo = info
	}
	return a, nil
}

// either returns a value that comes as JSON or in base64, or nil if it is absent.
func either(name string, plain jsontext.Value, b64 []byte) ([]byte, error) {
	switch {
	case len(b64) == 0:
		return plain, nil
	case len(plain) > 0:
		return nil, bad(name + " is set twice, as JSON and in base64")
	}
	return b64, nil
}

type publishRequest struct {
	Channel string `json:"channel"`
	message `json:",inline"`
}

func (q *publishRequest) rooms() []*string { return []*string{&q.Channel} }

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
	pos, err := await.Value(ctx, func(done func(engine.Position, error)) { h.cfg.Hub.Publish(q.Channel, m, done) })
	if err != nil {
		return nil, err
	}
	return &position{pos.Offset, pos.Epoch}, nil
}

type broadcastRequest struct {
	Channels []string `json:"channels"`
	message  `json:",inline"`
}

func (q *broadcastRequest) rooms() (all []*string) {
	for i := range q.Channels {
		all = append(all, &q.Channels[i])
	}
	return all
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
	all, err := await.Value(ctx, func(done func([]room.Published, error)) {
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

// send pushes data to the connections of a user. The push belongs to no room.
func (h *Handler) send(ctx context.Context, q *sendRequest) (*empty, error) {
	if len(q.Data) == 0 {
		return nil, bad("data is missing")
	}
	return h.command(ctx, engine.ControlMessage{Kind: engine.ControlSend, To: q.target.target(), Data: q.Data})
}

// jsonOf returns a publication's data as JSON, or as bytes if it is not JSON.
func jsonOf(p engine.Publication) (data jsontext.Value, b64 []byte) {
	if data, ok := room.JSON(&p); ok && wire.Valid(data) {
		return data, nil
	}
	return nil, p.Data
}
