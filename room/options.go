package room

import "webim/room/token"

// Options are what a room offers to the centrifuge dialect, and to whom.
type Options struct {
	History      Retention // what the room remembers
	Recoverable  bool      // members may recover what they missed, from the history
	Recover      bool      // they need not ask for that
	Presence     bool      // who is there may be asked
	Notices      bool      // who comes and goes is told to members that ask for it
	ForceNotices bool      // they need not ask for that
	Binary       bool      // data is any bytes; JSON connections are refused
	Rights       Rights    // who may do what, in the plain dialect too
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

// Options implements Config.Options.
func (ps Patterns) Options(room string) *Options {
	for i := range ps {
		if token.Match(ps[i].Match, room) {
			return &ps[i].Options
		}
	}
	return nil
}
