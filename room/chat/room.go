package chat

import (
	"fmt"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/rivo/uniseg"

	"webim/room"
	"webim/room/engine"
	"webim/room/name"
	"webim/room/wire"
)

// roomMethods are the calls about rooms and their members.
var roomMethods = map[string]method{
	"rooms":        define((*Chat).rooms),
	"room.create":  define((*Chat).create),
	"room.direct":  define((*Chat).direct),
	"room.join":    define((*Chat).join),
	"room.leave":   define((*Chat).leave),
	"room.decline": define((*Chat).decline),
	"room.invite":  define((*Chat).invite),
	"room.set":     define((*Chat).set),
	"room.info":    define((*Chat).info),
	"members":      define((*Chat).members),
	"mark":         define((*Chat).mark),
	"marks":        define((*Chat).marks),
}

// Events about rooms.
const (
	eventRoom   = "room"
	eventJoin   = "join"
	eventLeave  = "leave"
	eventInvite = "invite"
	eventRooms  = "rooms"
	eventMark   = "mark"
	eventMsg    = "message"

	tagRoom   = "room"
	tagUser   = "user"
	tagBy     = "by"
	tagOffset = "offset"
)

// Kinds of rooms.
const (
	kindPublic  = "public"
	kindPrivate = "private"
	kindDirect  = "direct"
)

func kindOf(name string) string {
	switch {
	case room.IsRoster(name):
		return kindPrivate
	case room.IsDirect(name):
		return kindDirect
	}
	return kindPublic
}

// named returns the caller's user. A caller without a user gets an error, because it has no list of
// rooms.
func named(call *room.Call) (string, error) {
	if user := call.Author().User; user != "" {
		return user, nil
	}
	return "", wire.Explain(wire.ErrUnauthorized, "unauthorized: this needs a user: connect with a token")
}

type setRequest struct {
	inRoom
	Title  *string `json:"title"`
	Locked *bool   `json:"locked"`
	Slow   *int    `json:"slow"`
}

const (
	maxTitle = 200   // bytes
	maxChars = 100   // graphemes
	maxSlow  = 86400 // seconds
)

func checkTitle(title string) error {
	if title != "" && !name.Visible([]byte(title)) {
		return wire.Explain(wire.ErrText, "the title has no visible character: write something")
	}
	for _, r := range title {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return wire.Explain(wire.ErrText, "the title has control characters: remove them")
		}
	}
	if len(title) > maxTitle || uniseg.GraphemeClusterCount(title) > maxChars {
		return wire.Explain(wire.ErrText, fmt.Sprintf("the title is too long: %d characters and %d bytes are allowed", maxChars, maxTitle))
	}
	return nil
}

// set changes the settings of a room, and publishes them.
func (c *Chat) set(call *room.Call, q *setRequest) {
	action := room.ActManage
	if q.Title != nil {
		action = room.ActTitle // others read the title, so muted users may not set it
	}
	err := may(call, action, q.Room)
	switch {
	case err != nil:
	case q.Title != nil:
		err = checkTitle(*q.Title)
	case q.Locked == nil && q.Slow == nil:
		err = wire.Explain(wire.ErrBadRequest, "bad request: nothing to set: give title, locked or slow")
	}
	if err == nil && q.Slow != nil && (*q.Slow < 0 || *q.Slow > maxSlow) {
		err = wire.Explain(wire.ErrBadRequest, fmt.Sprintf("bad request: slow must be 0 to %d seconds", maxSlow))
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	var now room.Settings
	change(call.State(), engine.Key{Table: engine.TableRoom, Of: q.Room}, func(s *room.Settings, _ bool) bool {
		if q.Title != nil {
			s.Title = *q.Title
		}
		if q.Locked != nil {
			s.Locked = *q.Locked
		}
		if q.Slow != nil {
			s.Slow = *q.Slow
		}
		s.By = "" // the settings now belong to a manager: see forget
		now = *s
		return true
	}, func(err error) {
		if err != nil {
			call.Done(nil, err)
			return
		}
		call.Audit(room.Audit{Action: "set", Room: q.Room, Reason: fmt.Sprintf("title %q, locked %v, slow %d", now.Title, now.Locked, now.Slow)})
		data, err := json.Marshal(view{now.Title, now.Locked, now.Slow})
		if err != nil {
			call.Done(nil, err)
			return
		}
		call.Publish(room.Saying{Room: q.Room, Data: data, Event: true, Always: true, CompactKey: eventRoom, Tags: map[string]string{engine.TagEvent: eventRoom}},
			func(_ engine.Position, err error) { answer(call, empty{}, err) })
	})
}

// view has the settings of a room that every member sees.
type view struct {
	Title  string `json:"title"`
	Locked bool   `json:"locked"`
	Slow   int    `json:"slow"`
}

type infoRequest struct {
	inRoom
}

type infoResult struct {
	Room string `json:"room"`
	Kind string `json:"kind"`
	view
	May    []string `json:"may"`
	Muted  *int64   `json:"muted,omitempty"` // the end in unix seconds; 0 means without end
	Why    string   `json:"muted_why,omitempty"`
	Role   string   `json:"role,omitempty"`
	Limits limits   `json:"limits"`
}

// limits are the limits of the caller's messages in the room. 0 means no limit.
type limits struct {
	Text       int `json:"text,omitzero"`
	Characters int `json:"characters,omitzero"`
	Message    int `json:"message,omitzero"`
}

// info returns the caller's rights in a room, and the room's settings.
func (c *Chat) info(call *room.Call, q *infoRequest) {
	if err := may(call, room.ActJoin, q.Room); err != nil {
		refuseInfo(call, q.Room, err)
		return
	}
	user := call.Author().User
	res := infoResult{Room: q.Room, Kind: kindOf(q.Room), May: []string{}, Limits: limits(call.Bounds(q.Room))}
	for _, name := range room.Actions() {
		if a, _ := room.ParseAction(name); call.Can(a, q.Room) {
			res.May = append(res.May, name)
		}
	}
	if until, is := call.Muted(q.Room); is {
		at := int64(0)
		if !until.IsZero() {
			at = until.Unix()
		}
		res.Muted = &at
	}
	e := call.Hub.Engine()
	room.RosterOf(e, q.Room, user, func(r room.Roster, listed bool, err error) {
		if err == nil && kindOf(q.Room) == kindPrivate && !listed && !call.In(q.Room) {
			err = wire.ErrPermissionDenied // in a private room the roster decides about joining
		}
		if err != nil {
			call.Done(nil, err)
			return
		}
		res.Role = r.Role
		room.SettingsOf(e, q.Room, func(s room.Settings, _ uint64, err error) {
			res.view = view{s.Title, s.Locked, s.Slow}
			if res.Muted == nil || err != nil {
				answer(call, res, err)
				return
			}
			why(call, engine.TableMute, q.Room, func(s room.Sanction, there bool) {
				if there {
					res.Why = sentence("muted", s)
				}
				answer(call, res, nil)
			})
		})
	})
}
