package room

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/gobwas/ws"

	"webim/room/engine"
	"webim/room/name"
	"webim/room/wire"
)

// Options are what a room offers to the centrifuge dialect, and to whom.
type Options struct {
	History      engine.Retention // what the room remembers
	Recoverable  bool             // members may recover what they missed, from the history
	Recover      bool             // they need not ask for that
	Presence     bool             // who is there may be asked
	Notices      bool             // who comes and goes is told to members that ask for it
	ForceNotices bool             // they need not ask for that
	Binary       bool             // data is any bytes; JSON connections are refused
	Rights       Rights           // who may do what, in the plain dialect too

	// MaxPublication bounds the bytes of a publication as it goes out to each
	// member: its data, its tags and what is told of its author; 0:
	// Config.MaxPublication; negative: no bound. Above it a message is refused with
	// error 106, and in the plain dialect it is lost. It should be at most a quarter
	// of History.Bytes, so that no message makes the room forget all others, and of
	// netpoll's MaxQueue.
	MaxPublication int
}

// checkSize says what is wrong with the size of a message to a room with these options.
func (h *Hub) checkSize(o *Options, m engine.Message) error {
	most := cmp.Or(o.MaxPublication, h.cfg.MaxPublication)
	if n := encodedSize(&m); most >= 0 && n > most {
		return wire.Explain(wire.ErrLimitExceeded, fmt.Sprintf("limit exceeded: the message has %d bytes with what is told of its author, and %d are allowed in this room", n, most))
	}
	return nil
}

// encodedSize is about how many bytes a message has in the encodings of the centrifuge
// dialect, without the room's name and the numbers.
func encodedSize(m *engine.Message) int {
	n := len(m.Data)
	if m.Op == ws.OpText { // in JSON each of these takes two bytes
		for _, c := range []byte{'"', '\\', '\n', '\t', '\r'} {
			n += bytes.Count(m.Data, []byte{c})
		}
	}
	return n + aroundSize(m)
}

// aroundSize is how many bytes a message has besides its data.
func aroundSize(m *engine.Message) (n int) {
	for name, value := range m.Tags {
		n += len(name) + len(value)
	}
	if m.From != nil {
		n += m.From.Size()
	}
	return n
}

// pushSize is how many bytes a push has besides the name of the room, its data and what is
// told of its author: the names of fields, and numbers.
const pushSize = 64

// sentSize is about how many bytes a message is to each member of a room.
func sentSize(m *engine.Message, room string) int {
	return pushSize + len(room) + len(m.Data) + aroundSize(m)
}

// noOptions are those of a room that nothing is said of.
var noOptions = &Options{}

// A Pattern says what the rooms are offered whose names match: a * stands for
// any characters, also none.
type Pattern struct {
	Match   string
	Options Options
}

// Patterns are tried in order; the first that matches decides. The zero value
// matches nothing.
type Patterns []Pattern

// Allow tells whether any room of the patterns lets one of the roles do
// anything.
func (ps Patterns) Allow(held Roles) bool {
	for i := range ps {
		for a := range ps[i].Options.Rights {
			if ps[i].Options.Rights.Allows(held, Action(a)) {
				return true
			}
		}
	}
	return false
}

// Options implements Config.Options.
func (ps Patterns) Options(room string) *Options {
	for i := range ps {
		if name.Match(ps[i].Match, room) {
			return &ps[i].Options
		}
	}
	return nil
}
