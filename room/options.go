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

// Options are the features and the rights of a room. Except for Rights, they are about the centrifuge
// dialect.
type Options struct {
	History      engine.Retention // how much of its log the room keeps
	Recoverable  bool             // members may recover missed publications from the history
	Recover      bool             // they recover without asking for it
	Presence     bool             // clients may ask for the members
	Notices      bool             // members that ask for it get a notice when others join and leave
	ForceNotices bool             // all members get these notices
	Binary       bool             // data are any bytes; JSON connections are refused
	Rights       Rights           // which roles may do which action, in the plain dialect, too

	// MaxPublication is the maximum size of a publication as members get it, in bytes: its data, its tags
	// and its author. 0 means Config.MaxPublication; a negative number means no maximum. A larger message
	// is refused with error 106; in the plain dialect it is dropped. It should be at most a quarter of
	// History.Bytes, so that one message does not push all others out of the history, and at most a
	// quarter of MaxQueue of package netpoll.
	MaxPublication int
}

// checkSize returns an error for the client if a message is too large for a room with these options.
func (h *Hub) checkSize(o *Options, m engine.Message) error {
	most := cmp.Or(o.MaxPublication, h.cfg.MaxPublication)
	if n := encodedSize(&m); most >= 0 && n > most {
		return wire.Explain(wire.ErrLimitExceeded, fmt.Sprintf("limit exceeded: the message has %d bytes with what is told of its author, and %d are allowed in this room", n, most))
	}
	return nil
}

// encodedSize returns about how many bytes a message has in the encodings of the centrifuge dialect,
// without the name of the room and the numbers.
func encodedSize(m *engine.Message) int {
	n := len(m.Data)
	if m.Op == ws.OpText { // in JSON each of these takes two bytes
		for _, c := range []byte{'"', '\\', '\n', '\t', '\r'} {
			n += bytes.Count(m.Data, []byte{c})
		}
	}
	return n + aroundSize(m)
}

// aroundSize returns how many bytes a message has besides its data.
func aroundSize(m *engine.Message) (n int) {
	for name, value := range m.Tags {
		n += len(name) + len(value)
	}
	if m.From != nil {
		n += m.From.Size()
	}
	return n
}

// pushSize is about how many bytes a push has besides the name of the room, the data and the author:
// the names of fields, and numbers.
const pushSize = 64

// sentSize returns about how many bytes each member of a room gets for a message.
func sentSize(m *engine.Message, room string) int {
	return pushSize + len(room) + len(m.Data) + aroundSize(m)
}

// noOptions are the options of a room for which there are none.
var noOptions = &Options{}

// A Pattern gives options to the rooms with matching names. In Match, * stands for any number of any
// characters.
type Pattern struct {
	Match   string
	Options Options
}

// Patterns are tried in order, and the first that matches counts. The zero value matches no room.
type Patterns []Pattern

// Allow reports whether any of the patterns permits any action to one of the roles.
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
