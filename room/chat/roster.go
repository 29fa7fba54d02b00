package chat

import (
	"time"

	"webim/room"
	"webim/room/wire"
)

// That a user belongs to a room is written twice: in TableMember, by the room,
// which counts, and in TableMine, by the user. The first is written first, and
// removed first. What a crash leaves between them is a room that is in nobody's
// list, which joining again mends, or one in a list whose roster does not have
// the user: readers of the list drop that (list.go).

// The roster of a public room bars nobody, and has no guests: each browser that
// opens the page may be a new one, and 10,000 of them would fill it. A guest has a
// public room in its list alone, and is among its people while it is there.

// Caps of what belonging takes.
const (
	maxMine    = 1000        // rooms in a user's list
	maxGiven   = maxMine / 2 // of them, as far as others put her there: the rest stays for what she wants
	maxRoster  = 10_000      // users on a room's roster
	maxInvited = 50          // users of one call
)

// mine is an entry of TableMine.
type mine struct {
	Since int64  `json:"since"`          // unix milliseconds
	Name  string `json:"name,omitempty"` // in a direct room: that the other's token had at that time
}

// hasRoster tells whether a user who has a room in its list is on the room's
// roster, too.
func hasRoster(name, user string) bool { return kindOf(name) != kindPublic || !room.IsGuest(user) }

// belongs reads what a room's roster says of a user; there: the user has the room
// in its list.
func belongs(e room.State, name, user string, done func(r room.Roster, there bool, err error)) {
	if hasRoster(name, user) {
		room.RosterOf(e, name, user, done)
		return
	}
	e.Get(room.Key{Table: room.TableMine, Of: user, Name: name}, func(entry room.Entry, err error) {
		done(room.Roster{}, entry.Version != 0, err)
	})
}

// enroll puts a user on a room's roster and the room in the user's list, of which
// most is the cap. new: it was not there.
func enroll(h *room.Hub, e room.State, name, user, role string, most int, done func(new bool, err error)) {
	belongs(e, name, user, func(_ room.Roster, there bool, err error) {
		if err != nil {
			done(false, err)
			return
		}
		if there { // as with each direct message: nobody is asked for names, only a lost list entry is written
			writeNamed(e, name, user, role, "", "", done)
			return
		}
		capped(e, room.TableMine, user, most, "the user has as many rooms as may be: leave one", func(err error) {
			if err != nil || !hasRoster(name, user) {
				write(h, e, name, user, role, err, done)
				return
			}
			capped(e, room.TableMember, name, maxRoster, "the room has as many members as it may", func(err error) {
				write(h, e, name, user, role, err, done)
			})
		})
	})
}

// write is enroll without its caps, unless err has come before. With the entry it keeps
// the name to show while its user is away: of the member, in a direct room of the other,
// if that one shares the room by then.
func write(h *room.Hub, e room.State, name, user, role string, err error, done func(new bool, err error)) {
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

// nameOfOther is the name of the other user of a direct room, if that one is here and
// shares the room with the user; else "".
func nameOfOther(h *room.Hub, e room.State, name, user, other string, done func(string)) {
	shares(e, name, other, user, func(is bool, err error) {
		if err != nil || !is {
			done("")
			return
		}
		whoIs(h.Presence, other, func(p peer) { done(nameIn(p.Info)) })
	})
}

// keepName keeps the name of the other user in a user's list entry of a direct room, now
// that the other one shares the room.
func keepName(h *room.Hub, e room.State, name, user, other string, done func()) {
	nameOfOther(h, e, name, user, other, func(shown string) {
		change(e, room.Key{Table: room.TableMine, Of: user, Name: name}, func(m *mine, there bool) bool {
			if !there || shown == "" || m.Name != "" {
				return false
			}
			m.Name = shown
			return true
		}, func(error) { done() })
	})
}

func writeNamed(e room.State, name, user, role, own, others string, done func(new bool, err error)) {
	now := time.Now().UnixMilli()
	list := func(done func(new bool, err error)) {
		isNew := false
		change(e, room.Key{Table: room.TableMine, Of: user, Name: name}, func(m *mine, there bool) bool {
			m.Since, m.Name, isNew = now, others, !there
			return isNew
		}, func(err error) { done(isNew, err) })
	}
	if !hasRoster(name, user) {
		list(done)
		return
	}
	isNew := false
	change(e, room.Key{Table: room.TableMember, Of: name, Name: user}, func(r *room.Roster, there bool) bool {
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
			// Nobody could leave a room that is in no list, so the half is taken back.
			e.Delete(room.Key{Table: room.TableMember, Of: name, Name: user}, room.AnyVersion, func(error) { done(false, err) })
		})
	})
}

// capped is an error if a list has as many entries as it may. Two at a time may
// both find room for the last one: a cap need not be that exact.
func capped(e room.State, table, of string, most int, text string, done func(error)) {
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

// strike is enroll's inverse; what the user had read is forgotten, too.
func strike(e room.State, name, user string, done func(error)) {
	e.Delete(room.Key{Table: room.TableMember, Of: name, Name: user}, room.AnyVersion, func(err error) {
		if err != nil {
			done(room.StateError(err))
			return
		}
		rest := []room.Key{{Table: room.TableMine, Of: user, Name: name}, markKey(name, user)}
		each(rest, func(k room.Key, done func(error)) { e.Delete(k, room.AnyVersion, done) }, func(err error) { done(room.StateError(err)) })
	})
}

// happened publishes that a user came to a room's roster or left it.
func happened(call *room.Call, name, event, user string, done func(error)) {
	announce(call, room.Saying{Room: name, CompactKey: "roster " + user, Tags: map[string]string{room.TagEvent: event, tagUser: user}}, done)
}

// announce publishes an event that the caller caused without saying anything. Only
// whoever could say something there is announced: the event bears the caller's name,
// and takes the place of earlier events. Else nothing is published, which is no error.
func announce(call *room.Call, event room.Saying, done func(error)) {
	if !call.CanSpeak(event.Room) {
		done(nil)
		return
	}
	event.Data, event.Event = noData, true
	call.Publish(event, func(_ room.Position, err error) { done(err) })
}

type joinRequest struct {
	inRoom
}

// join puts a room in the caller's list. Private ones have to be in it already,
// by an invitation.
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
			tell(call.Hub, call.Payer(), user, map[string]string{room.TagEvent: eventRooms, tagRoom: q.Room}, nil)
			if !hasRoster(q.Room, user) {
				answer(call, empty{}, nil)
				return
			}
			happened(call, q.Room, eventJoin, user, func(err error) { answer(call, empty{}, err) })
		})
	})
}
