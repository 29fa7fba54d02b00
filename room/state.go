package room

import (
	"errors"
	"time"

	"webim/room/budget"
)

// State is the part of an engine that keeps small facts rather than messages:
// who belongs to a room, what was read, who is muted or banned, how a room is
// set. A fact is an entry; what an entry's value means is its table's business.
//
// What is relied on:
//
//   - An entry's version is a number above 0 that another value never had; who
//     writes with an old one gets ErrVersion, and nothing is changed. So of two
//     who change an entry at a time one reads again, and nothing is lost.
//   - Once done was called without an error, the change outlives the call, and
//     whoever reads after that, on any node, finds it or a later one.
//   - A watcher is told all entries of its table, and then each change, once, in
//     the order in which they were made; on the node that made it, before done.
//   - Whatever fills the engine, there is room left for the bans and mutes that
//     moderators impose elsewhere than in rooms of users' own.
//   - An entry with an end is gone when that has passed, a little later at most.
//   - The engine keeps an entry's Owner and never looks at it: hubs count by owner
//     what the State holds and refuse what exceeds a share (shares.go).
//
// done is called exactly once, from any goroutine, perhaps before the call
// returns, and with no lock held. All methods are safe for concurrent use and do
// not block. Values must not be changed by anybody.
type State interface {
	// Get reads an entry; its Version is 0 if there is none.
	Get(k Key, done func(Entry, error))
	// Put writes e.Value, which is not empty, if the entry still has e.Version;
	// 0: if there is none, AnyVersion: in any case. done gets the new version.
	// Errors: ErrVersion, ErrStateFull.
	Put(e Entry, done func(version uint64, err error))
	// Delete removes an entry if it still has that version, or AnyVersion; that
	// there is none is no error then.
	Delete(k Key, version uint64, done func(error))
	// List reads entries of a table that have the same Of, in the order of their
	// names, limit at most, from behind a name on; "" is before all.
	List(table, of, after string, limit int, done func([]Entry, error))
	// CountEntries counts the entries that List would read from behind a name to before
	// another one; "" is behind all. It costs about what one entry costs, however many
	// there are, and may count what has ended a little while ago.
	CountEntries(table, of, after, before string, done func(n int, err error))
	// Watch tells of a table's entries: as an entry was before a change and as it
	// is now; a nil Value means that there is none. f is called with locks held and
	// must neither block nor call the engine. It ends with stop, after which one
	// call may still come.
	Watch(table string, f func(was, is Entry)) (stop func())
	// MaxState is how many bytes all entries may take together, by Entry.Cost; a
	// negative number is no bound.
	MaxState() int64
}

// Key names an entry. Both parts are any strings: names of rooms or users.
type Key struct {
	Table    string
	Of, Name string
}

// Entry is a fact with its version.
type Entry struct {
	Key
	Value   []byte
	Version uint64
	Expires time.Time    // zero: never
	Owner   budget.Owner // who pays for it; zero: the server
}

// EntryCost is what an entry takes besides its strings, as measured in the
// memory engine: the shares of three maps and the record.
const EntryCost = 256

// Cost is how many bytes the entry counts in a State.
func (e *Entry) Cost() int64 {
	return EntryCost + int64(len(e.Of)+len(e.Name)+len(e.Value))
}

// AnyVersion is none in particular.
const AnyVersion = ^uint64(0)

// The tables. Those of bans, mutes and rooms are watched by every hub, for what
// they say is judged at each message.
const (
	TableRoom   = "room"   // Of: room, Name: "": how it is set
	TableMember = "member" // Of: room, Name: user
	TableMine   = "mine"   // Of: user, Name: room; the same memberships from the other side
	TableMark   = "mark"   // Of: user, Name: room: what the user got and read there
	TableBan    = "ban"    // Of: room, or "" for all; Name: user
	TableBanIP  = "banip"  // Of: room, or "" for all; Name: prefix
	TableMute   = "mute"   // Of: room, or "" for all; Name: user
	// TableDecline: Of: user, Name: "room " and a room, or "user " and a user, whose
	// invitations the user has declined for good.
	TableDecline = "decline"
	// TableReaction: Of: room, Name: epoch, offset, emoji and owner; see package chat.
	TableReaction = "reaction"
)

// ErrVersion: somebody else was faster; read the entry again.
var ErrVersion = errors.New("room: the entry has changed meanwhile")

// ErrStateFull: the engine keeps as many facts as it may.
var ErrStateFull = errors.New("room: the engine has no room for more state: raise its limit")
