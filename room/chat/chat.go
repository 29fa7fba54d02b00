package chat

import (
	"maps"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/wire"
)

// Chat implements the calls; it is a room.Caller. Its only state of its own is the settings and the
// rates of invitations. One Chat may serve several hubs.
type Chat struct {
	cfg         Config
	invitations invitations
}

// Config holds the settings of a Chat. The zero value is valid.
type Config struct {
}

// New returns a Chat.
func New(cfg Config) *Chat { return &Chat{cfg: cfg} }

// A method implements one call. It calls call.Done once, possibly after it has returned.
type method func(c *Chat, call *room.Call)

// methods has all calls by name.
var methods = map[string]method{}

func init() {
	for _, some := range []map[string]method{talkMethods, roomMethods, moderationMethods} {
		maps.Copy(methods, some)
	}
}

// Call implements room.Caller.
func (c *Chat) Call(call *room.Call) (known bool) {
	m, known := methods[call.Method]
	if known {
		m(c, call)
	}
	return known
}

// define makes a method of a function whose request has the type Q.
func define[Q any](f func(c *Chat, call *room.Call, q *Q)) method {
	return func(c *Chat, call *room.Call) {
		q := new(Q)
		if err := wire.Strict(call.Data, q); err != nil {
			call.Done(nil, err)
			return
		}
		if r, ok := any(q).(interface{ normalise() error }); ok {
			if err := r.normalise(); err != nil {
				call.Done(nil, err)
				return
			}
		}
		f(c, call, q)
	}
}

// inRoom is the part of a request that names a room. Room may be "" only in calls that say so.
type inRoom struct {
	Room string `json:"room"`
}

// normalise rewrites the name to its normal form, before anything is decided by it.
func (q *inRoom) normalise() error {
	if q.Room == "" {
		return nil
	}
	name, err := wire.RoomName(q.Room)
	if err != nil {
		return wire.Explain(wire.ErrBadRequest, "bad request: "+err.Error())
	}
	q.Room = name
	return nil
}

// answer ends a call with a result, which it marshals, or with an error.
func answer(call *room.Call, result any, err error) {
	if err != nil {
		call.Done(nil, err)
		return
	}
	data, err := json.Marshal(result)
	call.Done(data, err)
}

// empty is the result of a call that returns nothing.
type empty struct{}
