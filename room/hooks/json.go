package hooks

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"webim/room/backend"
	"webim/room/internal/neutral"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// question is the body of a hook request, in the shape of Centrifugo's proxies.
type question struct {
	Client    string `json:"client"`
	Transport string `json:"transport"`
	Protocol  string `json:"protocol"`
	Encoding  string `json:"encoding"` // "json", or "binary" if the data is in b64data

	User     string         `json:"user,omitzero"`
	Channel  string         `json:"channel,omitzero"`
	Method   string         `json:"method,omitzero"`
	Name     string         `json:"name,omitzero"`
	Version  string         `json:"version,omitzero"`
	Channels []string       `json:"channels,omitempty"`
	Meta     jsontext.Value `json:"meta,omitzero"`
	Data     jsontext.Value `json:"data,omitzero"`
	B64Data  string         `json:"b64data,omitzero"` // data that is not JSON
}

func questionOf(q *backend.Request) *question {
	v := &question{Client: q.Client, Transport: "websocket", Protocol: q.Encoding.String(), Encoding: "json",
		User: q.User, Channel: q.Room, Method: q.Method, Name: q.Name, Version: q.Version, Channels: q.Channels, Meta: jsontext.Value(q.Meta)}
	if data, err := wire.Data(false, q.Data); err == nil {
		v.Data = data
	} else if len(q.Data) > 0 {
		v.Encoding, v.B64Data = "binary", base64.StdEncoding.EncodeToString(q.Data)
	}
	return v
}

// reply is the backend's reply. Exactly one of the three is set.
type reply struct {
	Result     *result          `json:"result"`
	Error      *replyError      `json:"error"`
	Disconnect *replyDisconnect `json:"disconnect"`
}

type replyError struct {
	Code      uint32 `json:"code"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary"`
}

type replyDisconnect struct {
	Code      uint32 `json:"code"`
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"` // of older backends, without effect: the code decides
}

type result struct {
	User        string                   `json:"user"`
	ExpireAt    int64                    `json:"expire_at"`
	Expired     bool                     `json:"expired"`
	Info        jsontext.Value           `json:"info"`
	B64Info     []byte                   `json:"b64info"`
	Data        jsontext.Value           `json:"data"`
	B64Data     []byte                   `json:"b64data"`
	Meta        jsontext.Value           `json:"meta"`
	Channels    []string                 `json:"channels"`
	Subs        map[string]channelResult `json:"subs"`
	Override    *token.Override          `json:"override"`
	SkipHistory bool                     `json:"skip_history"`
}

type channelResult struct {
	Info     jsontext.Value `json:"info"`
	B64Info  []byte         `json:"b64info"`
	Data     jsontext.Value `json:"data"`
	B64Data  []byte         `json:"b64data"`
	Override token.Override `json:"override"`
}

// answerError says why a reply is invalid. webim treats it like a reply that never came.
type answerError struct{ text string }

func (e *answerError) Error() string { return "the reply is invalid: " + e.text }

// answerOf parses a reply. If its author may have meant a refusal, it must not count as an
// acceptance, so answerOf only accepts the forms that doc.go lists.
func answerOf(body []byte, k backend.Hook) (a backend.Reply, err error) {
	fields := map[string]jsontext.Value{}
	if jsontext.Value(bytes.TrimSpace(body)).Kind() != '{' || json.Unmarshal(body, &fields) != nil {
		return a, &answerError{"it is not a JSON object"}
	}
	if len(fields) == 0 && k != backend.HookConnect && k != backend.HookRPC {
		return (&result{}).answer(k) // as Centrifugo does, which takes {} as an acceptance
	}
	var r reply
	if err := sameCase(fields, reflect.TypeOf(r)); err != nil {
		return a, err
	}
	if v := fields["result"]; neutral.IsEmptyList(v) {
		fields["result"] = jsontext.Value("{}") // PHP writes {} as []
	} else if v.Kind() == '{' {
		inner := map[string]jsontext.Value{}
		_ = json.Unmarshal(v, &inner) // cannot fail: it was parsed above
		if err := sameCase(inner, reflect.TypeFor[result]()); err != nil {
			return a, err
		}
		fields["result"] = neutral.Cleared(v, reflect.TypeFor[result]())
	}
	one, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(one, &r)
	}
	if err != nil {
		return a, &answerError{wire.Fault(err)}
	}
	return r.answer(k)
}

// sameCase refuses a name that differs from a known name only in case: a backend that writes
// "Error" means error.
func sameCase(object map[string]jsontext.Value, t reflect.Type) error {
	known := neutral.Fields(t)
	for name := range object {
		if _, same := known[name]; same {
			continue
		}
		for other := range known {
			if strings.EqualFold(name, other) {
				return &answerError{wire.Quoted(name) + " differs from " + wire.Quoted(other) + " in case"}
			}
		}
	}
	return nil
}

// answer checks a reply and converts it.
func (r *reply) answer(k backend.Hook) (a backend.Reply, err error) {
	switch {
	case r.Result == nil && r.Error == nil && r.Disconnect == nil:
		return a, &answerError{"there is neither result nor error nor disconnect"}
	case r.Result != nil && (r.Error != nil || r.Disconnect != nil), r.Error != nil && r.Disconnect != nil:
		return a, &answerError{"it has more than one of result, error and disconnect"}
	case r.Disconnect != nil:
		code := r.Disconnect.Code
		if code < 3000 || code > 4999 {
			return a, &answerError{"the disconnect code is not from 3000 to 4999"}
		}
		return a, wire.ExplainEnd(wire.DisconnectCode(code), r.Disconnect.Reason)
	case r.Error != nil:
		if r.Error.Code == 0 {
			return a, &answerError{"the error code is 0"}
		}
		code := wire.ErrorCode(r.Error.Code)
		explain := wire.Explain
		if r.Error.Temporary {
			explain = wire.Again
		}
		return a, explain(code, cmp.Or(r.Error.Message, code.Text()))
	}
	return r.Result.answer(k)
}

func (v *result) answer(k backend.Hook) (a backend.Reply, err error) {
	a = backend.Reply{User: v.User, Expired: v.Expired, Skip: v.SkipHistory}
	if v.ExpireAt != 0 {
		a.Expires = time.Unix(v.ExpireAt, 0)
	}
	if a.Info, err = valueIn(v.Info, v.B64Info, "info"); err != nil {
		return a, err
	}
	if a.Meta, err = valueIn(v.Meta, nil, "meta"); err != nil {
		return a, err
	}
	a.Data = v.B64Data
	if k != backend.HookPublish || len(v.B64Data) == 0 { // rooms marked binary take any bytes, and package room checks them
		if a.Data, err = valueIn(v.Data, v.B64Data, "data"); err != nil {
			return a, err
		}
	}
	if len(v.User) > wire.MaxRoomName || !utf8.ValidString(v.User) {
		return a, &answerError{"user is not a valid name"}
	}
	if v.Override != nil {
		if err := policy.CheckOverride(v.Override); err != nil {
			return a, &answerError{err.Error()}
		}
		a.Override = policy.OverrideOf(*v.Override)
	}
	if k == backend.HookConnect {
		a.Channels, err = v.channels()
	}
	if !a.Expires.IsZero() && !a.Expires.After(time.Now()) {
		a.Expired = true
	}
	return a, err
}

// channels returns the rooms that the connection joins.
func (v *result) channels() (all []token.Channel, err error) {
	seen := map[string]bool{}
	add := func(c token.Channel) error {
		name, err := wire.RoomName(c.Name)
		if err != nil {
			return &answerError{"the name of a channel is invalid: " + err.Error()}
		}
		c.Name = name
		if !seen[c.Name] {
			seen[c.Name] = true
			all = append(all, c)
		}
		return nil
	}
	for name, sub := range v.Subs {
		c := token.Channel{Name: name, Override: sub.Override}
		info, err := valueIn(sub.Info, sub.B64Info, "info")
		if err != nil {
			return nil, err
		}
		data, err := valueIn(sub.Data, sub.B64Data, "data")
		if err != nil {
			return nil, err
		}
		c.Info, c.Data = info, data
		if err := add(c); err != nil {
			return nil, err
		}
	}
	for _, name := range v.Channels {
		if err := add(token.Channel{Name: name}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// valueIn returns the JSON of a field or of its form in base64, or nil if both are absent.
func valueIn(value jsontext.Value, bytes64 []byte, name string) ([]byte, error) {
	if len(bytes64) > 0 {
		value = bytes64
	}
	if len(value) == 0 || bytes.Equal(value, []byte("null")) {
		return nil, nil
	}
	data, err := wire.Data(false, value)
	if err != nil {
		return nil, &answerError{name + " is not JSON"}
	}
	return data, nil
}
