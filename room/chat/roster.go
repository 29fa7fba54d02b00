package chat

import (
	"time"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// A membership is written twice: in TableMember under the room, which is the authority, and in
// TableMine under the user. The entry in TableMember is written first and removed first. A crash in
// between leaves either a room that is not in the user's list, which joining again mends, or a room
// in the list of a user that is not on the roster, which readers of the list remove (list.go).

// The roster of a public room excludes nobody, and has no guests: every browser that opens the page
// may be a new guest, and 10,000 of them would fill it. A guest only has the public room in its
// list, and counts as a member while it is present.

// Limits of memberships.
const (
	maxMine    = 1000        // rooms in a user's list
	maxGiven   = maxMine / 2 // of these, rooms that others put there; the rest stays free for the user's own choice
	maxRoster  = 10_000      // users on a room's roster
	maxInvited = 50          // users in one call
)

// mine is the value of an entry of TableMine.
type mine struct {
	Since int64  `json:"since"`          // unix milliseconds
	Name  string `json:"name,omitempty"` // in a direct room: the name in the other user's token at that time
}

// hasRoster reports whether a user that has a room in its list is also on the room's roster.
func hasRoster(name, user string) bool { return kindOf(name) != kindPublic || !room.IsGuest(user) }

// belongs looks up the roster's entry for a user. there is true if the user has the room in its
// list.
func belongs(e engine.State, name, user string, done func(r room.Roster, there bool, err error)) {
	if hasRoster(name, user) {
		room.RosterOf(e, name, user, done)
		return
	}
	e.Get(engine.Key{Table: engine.TableMine, Of: user, Name: name}, func(entry engine.Entry, err error) {
		done(room.Roster{}, entry.Version != 0, err)
	})
}

// enroll puts a user on a room's roster, and the room into the user's list if that has fewer than
// most rooms. new is false if the user was on the roster before.
func enroll(h *room.Hub, e engine.State, name, user, role string, most int, done func(new bool, err error)) {
	belongs(e, name, user, func(_ room.Roster, there bool, err error) {
		if err != nil {
			done(false, err)
			return
		}
		if there { // the common case, as with every direct message: it looks up no names, and only writes a missing list entry
			writeNamed(e, name, user, role, "", "", done)
			return
		}
		capped(e, engine.TableMine, user, most, "the user's list of rooms is full: leave a room", func(err error) {
			if err != nil || !hasRoster(name, user) {
				write(h, e, name, user, role, err, done)
				return
			}
			capped(e, engine.TableMember, name, maxRoster, "the room has the maximum number of members", func(err error) {
				write(h, e, name, user, role, err, done)
			})
		})
	})
}

// write is enroll without the limits; if err is set, it only passes it on. With the entries it
// stores the names to show while a user is away: on the roster the user's own name, and in the list
// of a direct room the name of the other user, if that one takes part in the room by then.
func write(h *room.Hub, e engine.State, name, user, role string, err error, done func(new bool, err error)) {
	if err != nil {
		done(false, err)
		return
	}
	other := otherIn(name, user)
	if kindOf(name) == kindPublic {
		writeNamed(e, name, user, role, "", "", done)
		return
	}
	if other == "" {
		whoIs(h.Presence, user, func(p peer) { writeNamed(e, name, user, role, nameIn(p.Info), "", done) })
		return
	}
	nameOfOther(h, e, name, user, other, func(shown string) { writeNamed(e, name, user, role, "", shown, done) })
}

// nameOfOther finds the name of the other user of a direct room. It is "" unless the other user is
// connected and takes part in the room.
func nameOfOther(h *room.Hub, e engine.State, name, user, other string, done func(string)) {
	shares(e, name, other, user, func(is bool, err error) {
		if err != nil || !is {
			done("")
			return
		}
		whoIs(h.Presence, other, func(p peer) { done(nameIn(p.Info)) })
	})
}

// keepName stores the name of the other user in a user's list entry of a direct room, after the
// other one has joined the room.
func keepName(h *room.Hub, e engine.State, name, user, other string, done func()) {
	nameOfOther(h, e, name, user, other, func(shown string) {
		change(e, engine.Key{Table: engine.TableMine, Of: user, Name: name}, func(m *mine, there bool) bool {
			if !there || shown == "" || m.Name != "" {
				return false
			}
			m.Name = shown
			return true
		}, func(error) { done() })
	})
}

func writeNamed(e engine.State, name, user, role, own, others string, done func(new bool, err error)) {
	now := time.Now().UnixMilli()
	list := func(done func(new bool, err error)) {
		isNew := false
		change(e, engine.Key{Table: engine.TableMine, Of: user, Name: name}, func(m *mine, there bool) bool {
			m.Since, m.Name, isNew = now, others, !there
			return isNew
		}, func(err error) { done(isNew, err) })
	}
	if !hasRoster(name, user) {
		list(done)
		return
	}
	isNew := false
	change(e, engine.Key{Table: engine.TableMember, Of: name, Name: user}, func(r *room.Roster, there bool) bool {
		if isNew = !there; isNew {
			*r = room.Roster{Role: role, Since: now, Name: own}
		}
		return isNew
	}, func(err error) {
		if err != nil {
			done(false, err)
			return
		}
		list(func(_ bool, err error) {
			if err == nil || !isNew {
				done(isNew, err)
				return
			}
			// A room that is not in the user's list could never be left, so the first write is
			// undone.
			e.Delete(engine.Key{Table: engine.TableMember, Of: name, Name: user}, engine.AnyVersion, func(error) { done(false, err) })
		})
	})
}

// capped fails if a list has most entries or more. Two concurrent calls may both find the last free
// place; the limit need not be that exact.
func capped(e engine.State, table, of string, most int, text string, done func(error)) {
	e.CountEntries(table, of, "", "", func(n int, err error) {
		switch {
		case err != nil:
			done(wire.Internal(err))
		case n >= most:
			done(wire.Explain(wire.ErrLimitExceeded, "limit exceeded: "+text))
		default:
			done(nil)
		}
	})
}

// strike removes a user from a room's roster, the room from the user's list, and the user's marks
// there.
func strike(e engine.State, name, user string, done func(error)) {
	e.Delete(engine.Key{Table: engine.TableMember, Of: name, Name: user}, engine.AnyVersion, func(err error) {
		if err != nil {
			done(room.StateError(err))
			return
		}
		rest := []engine.Key{{Table: engine.TableMine, Of: user, Name: name}, markKey(name, user)}
		each(rest, func(k engine.Key, done func(error)) { e.Delete(k, engine.AnyVersion, done) }, func(err error) { done(room.StateError(err)) })
	})
}

// happened publishes that a user has joined or left a room's roster.
func happened(call *room.Call, name, event, user string, done func(error)) {
	announce(call, room.Saying{Room: name, CompactKey: "roster " + user, Tags: map[string]string{engine.TagEvent: event, tagUser: user}}, done)
}

// announce publishes an event that the caller causes without writing anything. The event bears the
// caller's name and replaces earlier events, so it is only published if the caller may send
// messages in the room. Otherwise announce publishes nothing, which is not an error.
func announce(call *room.Call, event room.Saying, done func(error)) {
	if !call.CanSpeak(event.Room) {
		done(nil)
		return
	}
	event.Data, event.Event = noData, true
	call.Publish(event, func(_ engine.Position, err error) { done(err) })
}

type joinRequest struct {
	inRoom
}

// join puts a room into the caller's list. A private room must be there already, by an invitation.
func (c *Chat) join(call *room.Call, q *joinRequest) {
	user, err := named(call)
	if err == nil {
		err = may(call, room.ActJoin, q.Room)
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	e := call.State()
	room.RosterOf(e, q.Room, user, func(_ room.Roster, listed bool, err error) {
		switch {
		case err != nil:
			call.Done(nil, wire.Internal(err))
			return
		case kindOf(q.Room) == kindPrivate && !listed:
			call.Done(nil, wire.ErrPermissionDenied)
			return
		}
		enroll(call.Hub, e, q.Room, user, "", maxMine, func(isNew bool, err error) {
			if err != nil || !isNew {
				answer(call, empty{}, err)
				return
			}
			tell(call.Hub, call.Payer(), user, map[string]string{engine.TagEvent: eventRooms, tagRoom: q.Room}, nil)
			if !hasRoster(q.Room, user) {
				answer(call, empty{}, nil)
				return
			}
			happened(call, q.Room, eventJoin, user, func(err error) { answer(call, empty{}, err) })
		})
	})
}
