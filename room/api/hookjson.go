package api

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

	"webim/room"
	"webim/room/token"
	"webim/room/wire"
)

// question is what a backend is asked, in the shape of Centrifugo's proxies.
type question struct {
	Client    string `json:"client"`
	Transport string `json:"transport"`
	Protocol  string `json:"protocol"`
	Encoding  string `json:"encoding"` // "json", or "binary" where there is b64data

	User     string         `json:"user,omitzero"`
	Channel  string         `json:"channel,omitzero"`
	Method   string         `json:"method,omitzero"`
	Name     string         `json:"name,omitzero"`
	Version  string         `json:"version,omitzero"`
	Channels []string       `json:"channels,omitempty"`
	Meta     jsontext.Value `json:"meta,omitzero"`
	Data     jsontext.Value `json:"data,omitzero"`
	B64Data  string         `json:"b64data,omitzero"` // what is no JSON
}

func questionOf(q *room.Inquiry) *question {
	v := &question{Client: q.Client, Transport: "websocket", Protocol: q.Encoding.String(), Encoding: "json",
		User: q.User, Channel: q.Room, Method: q.Method, Name: q.Name, Version: q.Version, Channels: q.Channels, Meta: jsontext.Value(q.Meta)}
	if data, err := wire.Data(false, q.Data); err == nil {
		v.Data = data
	} else if len(q.Data) > 0 {
		v.Encoding, v.B64Data = "binary", base64.StdEncoding.EncodeToString(q.Data)
	}
	return v
}

// hookReply is what a backend answers: one of the three.
type hookReply struct {
	Result     *hookResult     `json:"result"`
	Error      *hookError      `json:"error"`
	Disconnect *hookDisconnect `json:"disconnect"`
}

type hookError struct {
	Code      uint32 `json:"code"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary"`
}

type hookDisconnect struct {
	Code      uint32 `json:"code"`
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"` // of older backends: the code says it
}

type hookResult struct {
	User        string                 `json:"user"`
	ExpireAt    int64                  `json:"expire_at"`
	Expired     bool                   `json:"expired"`
	Info        jsontext.Value         `json:"info"`
	B64Info     []byte                 `json:"b64info"`
	Data        jsontext.Value         `json:"data"`
	B64Data     []byte                 `json:"b64data"`
	Meta        jsontext.Value         `json:"meta"`
	Channels    []string               `json:"channels"`
	Subs        map[string]hookChannel `json:"subs"`
	Override    *token.Override        `json:"override"`
	SkipHistory bool                   `json:"skip_history"`
}

type hookChannel struct {
	Info     jsontext.Value `json:"info"`
	B64Info  []byte         `json:"b64info"`
	Data     jsontext.Value `json:"data"`
	B64Data  []byte         `json:"b64data"`
	Override token.Override `json:"override"`
}

// answerError: the backend's answer is none; it is as good as silence.
type answerError struct{ text string }

func (e *answerError) Error() string { return "the answer is wrong: " + e.text }

// answerOf reads an answer. What looks like a no to its author must not be a yes
// here, so only what is one of the forms that doc.go has is an answer.
func answerOf(body []byte, k room.Hook) (a room.Answer, err error) {
	fields := map[string]jsontext.Value{}
	if jsontext.Value(bytes.TrimSpace(body)).Kind() != '{' || json.Unmarshal(body, &fields) != nil {
		return a, &answerError{"it is no JSON object"}
	}
	if len(fields) == 0 && k != room.HookConnect && k != room.HookRPC {
		return (&hookResult{}).answer(k) // Centrifugo takes {} for yes
	}
	var r hookReply
	if err := sameCase(fields, reflect.TypeOf(r)); err != nil {
		return a, err
	}
	if v := fields["result"]; isEmptyList(v) {
		fields["result"] = jsontext.Value("{}") // of PHP
	} else if v.Kind() == '{' {
		inner := map[string]jsontext.Value{}
		_ = json.Unmarshal(v, &inner) // it was read with the rest
		if err := sameCase(inner, reflect.TypeFor[hookResult]()); err != nil {
			return a, err
		}
		fields["result"] = cleared(v, reflect.TypeFor[hookResult]())
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

// sameCase refuses names that differ from known ones only in case: whoever wrote
// "Error" meant one.
func sameCase(object map[string]jsontext.Value, t reflect.Type) error {
	known := fieldsOf(t)
	for name := range object {
		if _, same := known[name]; same {
			continue
		}
		for other := range known {
			if strings.EqualFold(name, other) {
				return &answerError{quoted(name) + " differs from " + quoted(other) + " in case"}
			}
		}
	}
	return nil
}

// answer judges a reply.
func (r *hookReply) answer(k room.Hook) (a room.Answer, err error) {
	switch {
	case r.Result == nil && r.Error == nil && r.Disconnect == nil:
		return a, &answerError{"there is neither result nor error nor disconnect"}
	case r.Result != nil && (r.Error != nil || r.Disconnect != nil), r.Error != nil && r.Disconnect != nil:
		return a, &answerError{"it says more than one of result, error and disconnect"}
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

func (v *hookResult) answer(k room.Hook) (a room.Answer, err error) {
	a = room.Answer{User: v.User, Expires: unix(v.ExpireAt), Expired: v.Expired, Skip: v.SkipHistory}
	if a.Info, err = valueIn(v.Info, v.B64Info, "info"); err != nil {
		return a, err
	}
	if a.Meta, err = valueIn(v.Meta, nil, "meta"); err != nil {
		return a, err
	}
	a.Data = v.B64Data
	if k != room.HookPublish || len(v.B64Data) == 0 { // bytes are for binary rooms, which judge themselves
		if a.Data, err = valueIn(v.Data, v.B64Data, "data"); err != nil {
			return a, err
		}
	}
	if len(v.User) > wire.MaxRoomName || !utf8.ValidString(v.User) {
		return a, &answerError{"user is no name"}
	}
	if v.Override != nil {
		if a.Override, err = overrideOf(v.Override); err != nil {
			return a, &answerError{err.Error()}
		}
	}
	if k == room.HookConnect {
		a.Channels, err = v.channels()
	}
	if !a.Expires.IsZero() && !a.Expires.After(time.Now()) {
		a.Expired = true
	}
	return a, err
}

// channels are the rooms to join the connection to.
func (v *hookResult) channels() (all []token.Channel, err error) {
	seen := map[string]bool{}
	add := func(c token.Channel) error {
		name, err := wire.RoomName(c.Name)
		if err != nil {
			return &answerError{"a channel has no name that is one: " + err.Error()}
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

// valueIn is a field's JSON, or that of its form in base64; nil if it is not
// there.
func valueIn(value jsontext.Value, bytes64 []byte, name string) ([]byte, error) {
	if len(bytes64) > 0 {
		value = bytes64
	}
	if len(value) == 0 || bytes.Equal(value, []byte("null")) {
		return nil, nil
	}
	data, err := wire.Data(false, value)
	if err != nil {
		return nil, &answerError{name + " is no JSON"}
	}
	return data, nil
}
