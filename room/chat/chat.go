package chat

import (
	"maps"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/wire"
)

// Chat answers the calls; it is a room.Caller. Of its own it has its settings and the
// rates of invitations. It serves any number of hubs.
type Chat struct {
	cfg         Config
	invitations invitations
}

// Config holds the settings of a Chat. The zero value works.
type Config struct {
}

// New makes a Chat.
func New(cfg Config) *Chat { return &Chat{cfg: cfg} }

// A method is a call that Chat knows: it answers with call.Done, perhaps later.
type method func(c *Chat, call *room.Call)

// methods are all of them.
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

// define makes a method of a function that takes its request as Q.
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

// inRoom is the part of a request that names a room. It may be "" where a call says so.
type inRoom struct {
	Room string `json:"room"`
}

// normalise puts the name in its one spelling, before anything is judged by it.
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

// answer ends a call with a result, which is marshalled, or an error.
func answer(call *room.Call, result any, err error) {
	if err != nil {
		call.Done(nil, err)
		return
	}
	data, err := json.Marshal(result)
	call.Done(data, err)
}

// empty is a result that says no more than that all is well.
type empty struct{}
