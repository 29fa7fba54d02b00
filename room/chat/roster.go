package chat

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/wire"
)

// That a user belongs to a room is written twice: in TableMember, by the room,
// which counts, and in TableMine, by the user. The first is written first, and
// removed first. What a crash leaves between them is a room that is in nobody's
// list, which joining again mends, or one in a list whose roster does not have
// the user: readers of the list drop that (list.go).

// Caps of what belonging takes.
const (
	maxMine    = 1000        // rooms in a user's list
	maxGiven   = maxMine / 2 // of them, as far as others put her there: the rest stays for what she wants
	maxRoster  = 10_000      // users on a room's roster
	maxInvited = 50          // users of one call
)

// mine is an entry of TableMine.
type mine struct {
	Since int64 `json:"since"` // unix milliseconds
}

// enroll puts a user on a room's roster and the room in the user's list, of which
// most is the cap. new: it was not there.
func enroll(e room.Engine, name, user, role string, most int, done func(new bool, err error)) {
	room.RosterOf(e, name, user, func(_ room.Roster, there bool, err error) {
		if err != nil || there {
			write(e, name, user, role, err, done)
			return
		}
		capped(e, room.TableMine, user, most, "the user has as many rooms as may be: leave one", func(err error) {
			if err != nil {
				done(false, err)
				return
			}
			capped(e, room.TableMember, name, maxRoster, "the room has as many members as it may", func(err error) {
				write(e, name, user, role, err, done)
			})
		})
	})
}

// write is enroll without its caps, unless err has come before.
func write(e room.Engine, name, user, role string, err error, done func(new bool, err error)) {
	if err != nil {
		done(false, err)
		return
	}
	now, isNew := time.Now().UnixMilli(), false
	change(e, room.Key{Table: room.TableMember, Of: name, Name: user}, func(r *room.Roster, there bool) bool {
		if isNew = !there; isNew {
			*r = room.Roster{Role: role, Since: now}
		}
		return isNew
	}, func(err error) {
		if err != nil {
			done(false, err)
			return
		}
		change(e, room.Key{Table: room.TableMine, Of: user, Name: name}, func(m *mine, there bool) bool {
			m.Since = now
			return !there
		}, func(err error) { done(isNew, err) })
	})
}

// capped is an error if a list has as many entries as it may. Two at a time may
// both find room for the last one: a cap need not be that exact.
func capped(e room.Engine, table, of string, most int, text string, done func(error)) {
	e.List(table, of, "", most, func(all []room.Entry, err error) {
		switch {
		case err != nil:
			done(wire.ErrInternal)
		case len(all) >= most:
			done(wire.Explain(wire.ErrLimitExceeded, "limit exceeded: "+text))
		default:
			done(nil)
		}
	})
}

// strike is enroll's inverse; what the user had read is forgotten, too.
func strike(e room.Engine, name, user string, done func(error)) {
	e.Delete(room.Key{Table: room.TableMember, Of: name, Name: user}, room.AnyVersion, func(err error) {
		if err != nil {
			done(stateError(err))
			return
		}
		rest := []room.Key{{Table: room.TableMine, Of: user, Name: name}, markKey(name, user)}
		each(rest, func(k room.Key, done func(error)) { e.Delete(k, room.AnyVersion, done) }, func(err error) { done(stateError(err)) })
	})
}

// happened publishes an event about a user in a room.
func happened(call *room.Call, name, event, user string, done func(error)) {
	call.Publish(room.Saying{Room: name, Data: noData, Event: true, Always: true, Tags: map[string]string{room.TagEvent: event, tagUser: user}},
		func(_ room.Position, err error) { done(err) })
}

type createRequest struct {
	Room  string   `json:"room"`
	Title string   `json:"title"`
	Users []string `json:"users"`
}

type roomResult struct {
	Room string `json:"room"`
}

// create makes a room: a private one, whose owner the caller is, or a public one,
// over which the caller has no power, or names would be grabbed for it.
func (c *Chat) create(call *room.Call, q *createRequest) {
	user, err := named(call)
	if err == nil {
		err = checkTitle(q.Title)
	}
	if err == nil {
		err = checkUsers(q.Users)
	}
	name, role := q.Room, ""
	if name == "" {
		name, role = "$"+strings.ToLower(rand.Text()), room.OwnerRole
		if err == nil && !call.Allows(room.ActSend, name) {
			err = wire.ErrPermissionDenied
		}
	} else if err == nil {
		if err = may(call, room.ActSend, name); err == nil && strings.ContainsAny(name[:1], "#$") {
			err = wire.Explain(wire.ErrBadRequest, "bad request: the name of a public room begins with neither # nor $; leave room out for a private one")
		}
	}
	if err == nil && q.Title == "" {
		err = wire.Explain(wire.ErrBadRequest, "bad request: title is missing")
	}
	if err == nil {
		err = call.MayTalk(name) // a title is said to those who are invited
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	value, err := json.Marshal(room.Settings{Title: q.Title, By: user})
	if err != nil {
		call.Done(nil, err)
		return
	}
	e := call.Hub.Engine()
	e.Put(room.Entry{Key: room.Key{Table: room.TableRoom, Of: name}, Value: value}, func(_ uint64, err error) {
		if err == room.ErrVersion {
			call.Done(nil, wire.Explain(wire.ErrConflict, "there is a room of that name: join it, or choose another name"))
			return
		}
		if err != nil {
			call.Done(nil, stateError(err))
			return
		}
		enroll(e, name, user, role, maxMine, func(_ bool, err error) {
			if err != nil {
				e.Delete(room.Key{Table: room.TableRoom, Of: name}, room.AnyVersion, func(error) { call.Done(nil, err) })
				return
			}
			tell(call.Hub, user, map[string]string{room.TagEvent: eventRooms, tagRoom: name}, nil)
			c.inviteAll(call, name, q.Title, q.Users, func(err error) { answer(call, roomResult{name}, err) })
		})
	})
}

func checkUsers(users []string) error {
	if len(users) > maxInvited {
		return wire.Explain(wire.ErrBadRequest, fmt.Sprintf("bad request: %d users at most in one call", maxInvited))
	}
	if slices.ContainsFunc(users, func(u string) bool { return u == "" || wire.CheckRoomName(room.PersonalRoom(u)) != nil }) {
		return wire.Explain(wire.ErrBadRequest, "bad request: that is no user")
	}
	return nil
}

type joinRequest struct {
	Room string `json:"room"`
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
	e := call.Hub.Engine()
	room.RosterOf(e, q.Room, user, func(_ room.Roster, listed bool, err error) {
		switch {
		case err != nil:
			call.Done(nil, wire.ErrInternal)
			return
		case kindOf(q.Room) == kindPrivate && !listed:
			call.Done(nil, wire.ErrPermissionDenied)
			return
		}
		enroll(e, q.Room, user, "", maxMine, func(isNew bool, err error) {
			if err != nil || !isNew {
				answer(call, empty{}, err)
				return
			}
			tell(call.Hub, user, map[string]string{room.TagEvent: eventRooms, tagRoom: q.Room}, nil)
			happened(call, q.Room, eventJoin, user, func(err error) { answer(call, empty{}, err) })
		})
	})
}

// leave takes a room from the caller's list and, if it is private, the caller out
// of the room. An owner who leaves is followed by who is there longest; when
// nobody is left, the room is forgotten.
func (c *Chat) leave(call *room.Call, q *joinRequest) {
	user, err := named(call)
	if err == nil && wire.CheckRoomName(q.Room) != nil {
		err = wire.ErrBadRequest
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	e := call.Hub.Engine()
	room.RosterOf(e, q.Room, user, func(r room.Roster, listed bool, err error) {
		if err != nil || !listed {
			answer(call, empty{}, err)
			return
		}
		strike(e, q.Room, user, func(err error) {
			if err != nil {
				call.Done(nil, err)
				return
			}
			c.left(call, q.Room, user, r, func(err error) { answer(call, empty{}, err) })
		})
	})
}

// left does what follows when a user is off the roster.
func (c *Chat) left(call *room.Call, name, user string, was room.Roster, done func(error)) {
	h := call.Hub
	tell(h, user, map[string]string{room.TagEvent: eventRooms, tagRoom: name}, nil)
	happened(call, name, eventLeave, user, func(error) {
		if kindOf(name) != kindPrivate {
			succeed(h, name, was, done)
			return
		}
		h.Command(room.Order{Kind: room.OrderUnsubscribe, To: room.Target{User: user}, Room: name}, func(err error) {
			if err != nil {
				done(err)
				return
			}
			succeed(h, name, was, done)
		})
	})
}

// succeed sees what becomes of a room that somebody has left: forgotten without
// members, and inherited without an owner.
func succeed(h *room.Hub, name string, was room.Roster, done func(error)) {
	e := h.Engine()
	e.List(room.TableMember, name, "", 1, func(some []room.Entry, err error) {
		switch {
		case err != nil:
			done(wire.ErrInternal)
		case len(some) == 0:
			forget(e, name, done)
		case was.Role == room.OwnerRole:
			inherit(h, name, done)
		default:
			done(nil)
		}
	})
}

// forget removes what is known of a room that is in nobody's list: of a private one
// all, of a public one what is left of its making, unless a manager has set it. Its
// bans and mutes are not its members'.
func forget(e room.Engine, name string, done func(error)) {
	if kindOf(name) == kindPrivate {
		each([]string{room.TableBan, room.TableBanIP, room.TableMute}, func(table string, done func(error)) {
			clear(e, table, name, done)
		}, func(err error) {
			if err != nil {
				done(stateError(err))
				return
			}
			e.Delete(room.Key{Table: room.TableRoom, Of: name}, room.AnyVersion, func(err error) { done(stateError(err)) })
		})
		return
	}
	room.SettingsOf(e, name, func(s room.Settings, version uint64, err error) {
		if err != nil || s.By == "" {
			done(stateError(err))
			return
		}
		e.Delete(room.Key{Table: room.TableRoom, Of: name}, version, func(error) { done(nil) }) // who was faster wants it
	})
}

// clear removes all of a table that have the same Of.
func clear(e room.Engine, table, of string, done func(error)) {
	e.List(table, of, "", maxRoster, func(all []room.Entry, err error) {
		if err != nil {
			done(err)
			return
		}
		each(all, func(entry room.Entry, done func(error)) { e.Delete(entry.Key, room.AnyVersion, done) }, done)
	})
}

// inherit gives a room without an owner to who is on its roster longest.
func inherit(h *room.Hub, name string, done func(error)) {
	e := h.Engine()
	e.List(room.TableMember, name, "", maxRoster, func(all []room.Entry, err error) {
		heir, since := "", int64(0)
		for _, entry := range all {
			var r room.Roster
			if json.Unmarshal(entry.Value, &r) != nil {
				continue
			}
			if r.Role == room.OwnerRole {
				done(nil)
				return
			}
			if heir == "" || r.Since < since {
				heir, since = entry.Name, r.Since
			}
		}
		if err != nil || heir == "" {
			done(stateError(err))
			return
		}
		change(e, room.Key{Table: room.TableMember, Of: name, Name: heir}, func(r *room.Roster, there bool) bool {
			r.Role = room.OwnerRole
			return there
		}, func(err error) {
			if err != nil {
				done(err)
				return
			}
			tell(h, heir, map[string]string{room.TagEvent: eventRooms, tagRoom: name}, nil)
			h.Command(room.Order{Kind: room.OrderRoster, To: room.Target{User: heir}, Room: name}, done)
		})
	})
}

type inviteRequest struct {
	Room string `json:"room"`
	User string `json:"user"`
}

// invite tells a user of a room, and, if it is private, puts the user on its
// roster.
func (c *Chat) invite(call *room.Call, q *inviteRequest) {
	_, err := named(call)
	if err == nil {
		action := room.ActSend
		if kindOf(q.Room) == kindPrivate {
			action = room.ActManage
		}
		err = may(call, action, q.Room)
	}
	if err == nil {
		err = checkUsers([]string{q.User})
	}
	if err == nil && strings.HasPrefix(q.Room, "#") {
		err = wire.Explain(wire.ErrBadRequest, "bad request: nobody else can be in that room")
	}
	if err == nil {
		err = call.MayTalk(q.Room)
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	room.SettingsOf(call.Hub.Engine(), q.Room, func(s room.Settings, _ uint64, err error) {
		if err != nil {
			call.Done(nil, wire.ErrInternal)
			return
		}
		c.inviteAll(call, q.Room, s.Title, []string{q.User}, func(err error) { answer(call, empty{}, err) })
	})
}

func (c *Chat) inviteAll(call *room.Call, name, title string, users []string, done func(error)) {
	h := call.Hub
	data, err := json.Marshal(map[string]string{"title": title})
	if err != nil {
		done(err)
		return
	}
	each(users, func(user string, done func(error)) {
		notice := map[string]string{room.TagEvent: eventInvite, tagRoom: name, tagBy: call.Author().User}
		if h.Banned(name, user) {
			done(wire.Explain(wire.ErrBanned, "this user is banned there"))
			return
		}
		if kindOf(name) != kindPrivate {
			tell(h, user, notice, data)
			done(nil)
			return
		}
		enroll(h.Engine(), name, user, "", maxGiven, func(isNew bool, err error) {
			if err != nil || !isNew {
				done(err)
				return
			}
			tell(h, user, notice, data)
			happened(call, name, eventJoin, user, done)
		})
	}, done)
}

type directRequest struct {
	User string `json:"user"`
}

// direct puts the room between the caller and another user in the caller's list;
// the other one gets it with the first message.
func (c *Chat) direct(call *room.Call, q *directRequest) {
	user, err := named(call)
	name := room.DirectRoom(user, q.User)
	switch {
	case err != nil:
	case q.User == "" || q.User == user:
		err = wire.Explain(wire.ErrBadRequest, "bad request: user is another one than yourself")
	case wire.CheckRoomName(name) != nil:
		err = wire.Explain(wire.ErrBadRequest, "bad request: these names are too long for a room, or have control characters")
	default:
		err = may(call, room.ActJoin, name)
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	enroll(call.Hub.Engine(), name, user, "", maxMine, func(isNew bool, err error) {
		if err == nil && isNew {
			tell(call.Hub, user, map[string]string{room.TagEvent: eventRooms, tagRoom: name}, nil)
		}
		answer(call, roomResult{name}, err)
	})
}
