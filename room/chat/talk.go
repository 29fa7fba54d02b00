package chat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// talkMethods are the calls about messages.
var talkMethods = map[string]method{
	"send":     define((*Chat).send),
	"edit":     define((*Chat).edit),
	"delete":   define((*Chat).delete),
	"react":    define((*Chat).react),
	"typing":   define((*Chat).typing),
	"messages": define((*Chat).messages),
}

// Events and tags, in addition to those of package room.
const (
	eventDelete  = "delete"
	eventReact   = "react"
	eventUnreact = "unreact"

	tagID    = "id"
	tagReply = "reply"
	tagEmoji = "emoji"
)

// noData is the data of an event without data.
var noData = []byte("{}")

// number formats an offset for a tag.
func number(offset uint64) string { return strconv.FormatUint(offset, 10) }

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

func (c *Chat) send(call *room.Call, q *sendRequest) {
	what := room.Saying{Room: q.Room, Data: q.Data}
	if q.ID != nil {
		if err := checkID(*q.ID); err != nil {
			call.Done(nil, err)
			return
		}
		what.Tags = map[string]string{tagID: *q.ID}
		what.Key = fmt.Sprintf("send %q %s", owner(call.Author()), *q.ID) // quoted: otherwise user "a b" with id "c" would have the key of user "a" with id "b c"
	}
	var stands func(then func(error)) // checks the message that this one replies to
	if q.Reply != 0 {
		if what.Tags == nil {
			what.Tags = map[string]string{}
		}
		what.Tags[tagReply] = number(q.Reply)
		stands = func(then func(error)) { standing(call.Hub, q.Room, q.Reply, func(_ string, err error) { then(err) }) }
	}
	say(call, room.ActSend, what, stands, func(pos engine.Position, err error) {
		answer(call, sendResult{pos.Offset, pos.Epoch}, err)
	})
}

func checkID(id string) error {
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return wire.Explain(wire.ErrBadRequest, fmt.Sprintf("bad request: id must have 1 to %d bytes without control characters", maxID))
	}
	return nil
}

// owner identifies an author by user, or without a user by connection. No two authors share it.
func owner(a engine.Author) string {
	if a.User != "" {
		return "user " + a.User
	}
	return "client " + a.Client
}

// may reports whether the caller may do something in a room whose name comes from a client.
func may(call *room.Call, a room.Action, name string) error {
	if err := checkRoom(name); err != nil {
		return err
	}
	return call.May(a, name)
}

// say is call.Say for a room whose name comes from a client.
func say(call *room.Call, a room.Action, what room.Saying, stands func(then func(error)), done func(engine.Position, error)) {
	if err := checkRoom(what.Room); err != nil {
		done(engine.Position{}, err)
		return
	}
	call.Say(a, what, stands, done)
}

func checkRoom(name string) error {
	if err := wire.CheckRoomName(name); err != nil {
		return wire.Explain(wire.ErrBadRequest, "bad request: "+err.Error())
	}
	return nil
}

type typingRequest struct {
	inRoom
}

func (c *Chat) typing(call *room.Call, q *typingRequest) {
	err := may(call, room.ActTyping, q.Room)
	if err == nil {
		err = call.Typing(q.Room)
	}
	answer(call, empty{}, err)
}
