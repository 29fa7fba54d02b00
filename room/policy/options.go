package policy

import (
	"webim/room/engine"
	"webim/room/name"
)

// Options are the features and the rights of a room. Except for Rights, they are about the Centrifuge
// dialect. They must not be changed while a hub uses them.
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
