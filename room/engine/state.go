package engine

import (
	"time"

	"webim/room/budget"
	"webim/room/name"
)

// State stores small entries: the members of a room, read marks, mutes and bans, the settings
// of a room. The meaning of an entry's value is defined by its table.
//
//   - The version of an entry is a number above 0, and above those of all changes before it. A
//     write with an old version gets ErrVersion and changes nothing. So if two callers change an
//     entry at the same time, one of them reads again, and no change is lost.
//   - Once done was called without an error, the change outlives the call, and each read on this
//     node gets this value or a later one. Other nodes have it a moment later: usually within
//     milliseconds, and within seconds after their connection was lost. Until then they answer with
//     the value that they had, whose version makes their writes fail with ErrVersion.
//   - A watcher is called with all entries of its table, and then with each change, once, in the
//     order in which they were made; changes of urgent entries (Key.IsUrgent) may come before earlier
//     changes of others. If another node has missed changes of an entry, because its
//     connection was lost or a newer change came first, it calls the watcher once for all of them.
//     On the node that made the change, the watcher is called before done.
//   - A change of an urgent entry reaches other nodes in two ways: with the rest of the State, and at once
//     in a message, as far as messages pass. So it also holds on a node whose copy of the State is behind.
//   - However full the engine is, there is space for the bans and mutes that moderators impose in
//     rooms without a roster; see Key.IsReserved.
//   - An entry with an expiry is removed at that time or a little later.
//   - The engine stores an entry's Owner and never reads it: hubs count the bytes of the State
//     by owner, and refuse an entry that exceeds a share.
//
// The rules for done and for concurrency are those of Engine. Nobody may change a value.
type State interface {
	// Get reads an entry. If there is none, its Version is 0.
	Get(k Key, done func(Entry, error))
	// Put writes e.Value, which must not be empty, if the entry still has e.Version. Version 0
	// means that there must be no entry; AnyVersion means that Put always writes. done gets the
	// new version. Errors: ErrVersion, ErrStateFull.
	Put(e Entry, done func(version uint64, err error))
	// Delete removes an entry if it still has that version, or with AnyVersion. It is no error
	// if there is no entry and version is 0 or AnyVersion. Error: ErrVersion.
	Delete(k Key, version uint64, done func(error))
	// List reads at most limit entries of a table that have the same Of, in the order of their
	// names, with names after the given one; "" is before all names.
	List(table, of, after string, limit int, done func([]Entry, error))
	// CountEntries counts the entries that List would read with names after one name and before
	// another; "" as before means no upper limit. It costs about as much as reading one entry,
	// whatever the count is, and may count entries that have expired a little while ago.
	CountEntries(table, of, after, before string, done func(n int, err error))
	// Watch calls f with each entry of a table before and after a change; a nil Value means that
	// there is no entry. f is called with locks held: it must neither block nor call the engine.
	// stop ends it; one call may still arrive after stop has returned.
	Watch(table string, f func(was, is Entry)) (stop func())
	// MaxState returns the maximum size of all entries together, by Entry.Cost; a negative
	// number means that there is no maximum.
	MaxState() int64
}

// Key names an entry. Of and Name are any strings, such as names of rooms and users.
type Key struct {
	Table    string
	Of, Name string
}

// Reserve is the part of the State, one in Reserve bytes, in which an engine stores only
// entries with a Key.IsReserved. Otherwise a client that fills the State would be safe from
// moderators.
const Reserve = 8

// IsReserved reports whether the reserve is for this entry: revocations, and the bans and mutes that
// moderators impose, except in rooms with a roster, which any user can make.
func (k Key) IsReserved() bool {
	return k.Table == TableRevoked || (k.Table == TableBan || k.Table == TableBanIP || k.Table == TableMute) && !name.IsRoster(k.Of)
}

// IsUrgent reports whether somebody could stay, hear, speak or come in who may not any more, if a node learned of a change of
// this entry late. See State.
func (k Key) IsUrgent() bool {
	switch k.Table {
	case TableBan, TableBanIP, TableMute, TableRevoked, TableErased, TableMember, TableRoom:
		return true
	}
	return false
}

// Entry is a value of the State with its version.
type Entry struct {
	Key
	Value   []byte
	Version uint64
	Expires time.Time    // zero: never
	Owner   budget.Owner // pays for the entry; zero: the server
}

// EntryCost is the cost of an entry besides its strings, in bytes, as measured with the memory
// engine: its part of three maps, and the record.
const EntryCost = 256

// Cost returns how many bytes the entry counts in a State.
func (e *Entry) Cost() int64 {
	return EntryCost + int64(len(e.Of)+len(e.Name)+len(e.Value))
}

// MaxStateAge is how old a node's copy of the State may be if the node is to admit clients: see Copier.
const MaxStateAge = 10 * time.Second

// Copier is an engine whose State is a copy of one that other nodes change, too.
//
// Nobody may take an old answer for permission. So while the copy is old, a hub admits nobody (judge.Admit), and these calls get
// ErrStateOld: those that list bans and mutes, that put anybody on a roster, that leave a room, which is forgotten with its bans
// when the roster has nobody else, and that read rooms in which the caller is not (chat.current has those of the chat).
// Other reads, as those of read marks, of settings, and of lists of rooms and members, return what the node knows: they
// only show it, and each action is judged by itself. Changes of an entry are safe by its version.
type Copier interface {
	// StateIsOld reports whether the copy may lack changes that were confirmed more than MaxStateAge ago. Then bans
	// and revocations may be missing, so a hub admits nobody. It may be called at any time, and is fast.
	StateIsOld() bool
}

// AnyVersion stands for every version, and for no entry.
const AnyVersion = ^uint64(0)

// The tables. Every hub watches those of bans, mutes and rooms, because it checks each message
// against them.
const (
	TableRoom   = "room"   // Of: room, Name: "": the settings of the room
	TableMember = "member" // Of: room, Name: user
	TableMine   = "mine"   // Of: user, Name: room; the same memberships, by user
	TableMark   = "mark"   // Of: user, Name: room: the offsets that the user has received and read there
	TableBan    = "ban"    // Of: room, or "" for all; Name: user
	TableBanIP  = "banip"  // Of: room, or "" for all; Name: prefix
	TableMute   = "mute"   // Of: room, or "" for all; Name: user
	// TableRevoked: Of: user, Name: "": all tokens of the user up to a time; or Of: "", Name: the id of a
	// token (jti)
	TableRevoked = "revoked"
	// TableDecline: Of: user, Name: "room " and a room, or "user " and a user, whose
	// invitations the user has declined for good.
	TableDecline = "decline"
	// TableReaction: Of: room, Name: offset and time of the message, emoji and owner; see package messages.
	TableReaction = "reaction"
	// TableRevision: Of: room, Name: offset and time of a message that was edited or is being deleted;
	// see package messages.
	TableRevision = "revision"
	// TableErased: Of: user, Name: "": the user was erased at a time. The engine writes it: see Tombstone.
	TableErased = "erased"
)
