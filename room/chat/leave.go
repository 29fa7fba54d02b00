package chat

import (
	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/wire"
)

type leaveRequest struct {
	inRoom
	Forever bool `json:"forever"` // also decline all invitations to the room
}

// leave removes a room from the caller's list. If the room is private, leave also takes the caller
// out of it, makes the longest-standing user the owner if the caller was the owner, and forgets the
// room if nobody is left.
func (c *Chat) leave(call *room.Call, q *leaveRequest) {
	user, err := named(call)
	if err == nil && wire.CheckRoomName(q.Room) != nil {
		err = wire.ErrBadRequest
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	if q.Forever {
		declineFor(call, declinedRoom(user, q.Room), func(err error) {
			if err != nil {
				call.Done(nil, err)
				return
			}
			c.leaveList(call, q, user)
		})
		return
	}
	c.leaveList(call, q, user)
}

func (c *Chat) leaveList(call *room.Call, q *leaveRequest, user string) {
	e := call.Hub.Engine()
	belongs(e, q.Room, user, func(r room.Roster, listed bool, err error) {
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

// left does the work that follows after a user is removed from the roster.
func (c *Chat) left(call *room.Call, name, user string, was room.Roster, done func(error)) {
	h := call.Hub
	tell(h, call.Payer(), user, map[string]string{engine.TagEvent: eventRooms, tagRoom: name}, nil)
	if !hasRoster(name, user) {
		succeed(h, call.Payer(), name, was, done)
		return
	}
	happened(call, name, eventLeave, user, func(error) {
		if kindOf(name) != kindPrivate {
			succeed(h, call.Payer(), name, was, done)
			return
		}
		h.SendControl(engine.ControlMessage{Kind: engine.ControlUnsubscribe, To: engine.Target{User: user}, Room: name}, func(err error) {
			if err != nil {
				done(err)
				return
			}
			succeed(h, call.Payer(), name, was, done)
		})
	})
}

// succeed looks after a room that a user has left. It forgets the room if nobody is left, and finds
// a new owner if the owner has left.
func succeed(h *room.Hub, payer budget.Owner, name string, was room.Roster, done func(error)) {
	e := h.Engine()
	e.List(engine.TableMember, name, "", 1, func(some []engine.Entry, err error) {
		switch {
		case err != nil:
			done(wire.Internal(err))
		case len(some) == 0:
			forget(e, name, done)
		case was.Role == room.OwnerRole:
			inherit(h, payer, name, done)
		default:
			done(nil)
		}
	})
}

// forget removes the State entries of a room that is in nobody's list. For a private room these are
// its settings, bans and mutes. For a public room it is the title that its creator has set; the
// settings of a manager stay, and so do bans and mutes, which do not belong to the members.
func forget(e engine.State, name string, done func(error)) {
	if kindOf(name) == kindPrivate {
		each([]string{engine.TableBan, engine.TableBanIP, engine.TableMute}, func(table string, done func(error)) {
			clear(e, table, name, done)
		}, func(err error) {
			if err != nil {
				done(room.StateError(err))
				return
			}
			e.Delete(engine.Key{Table: engine.TableRoom, Of: name}, engine.AnyVersion, func(err error) { done(room.StateError(err)) })
		})
		return
	}
	room.SettingsOf(e, name, func(s room.Settings, version uint64, err error) {
		if err != nil || s.By == "" {
			done(room.StateError(err))
			return
		}
		e.Delete(engine.Key{Table: engine.TableRoom, Of: name}, version, func(error) { done(nil) }) // if somebody has changed the settings meanwhile, they stay
	})
}

// clear removes all entries of a table that have the given Of.
func clear(e engine.State, table, of string, done func(error)) {
	e.List(table, of, "", maxRoster, func(all []engine.Entry, err error) {
		if err != nil {
			done(err)
			return
		}
		each(all, func(entry engine.Entry, done func(error)) { e.Delete(entry.Key, engine.AnyVersion, done) }, done)
	})
}

// inherit makes the user that has been on the roster longest the owner, unless the room has an
// owner.
func inherit(h *room.Hub, payer budget.Owner, name string, done func(error)) {
	e := h.Engine()
	e.List(engine.TableMember, name, "", maxRoster, func(all []engine.Entry, err error) {
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
			done(room.StateError(err))
			return
		}
		change(e, engine.Key{Table: engine.TableMember, Of: name, Name: heir}, func(r *room.Roster, there bool) bool {
			r.Role = room.OwnerRole
			return there
		}, func(err error) {
			if err != nil {
				done(err)
				return
			}
			tell(h, payer, heir, map[string]string{engine.TagEvent: eventRooms, tagRoom: name}, nil)
			h.SendControl(engine.ControlMessage{Kind: engine.ControlRoster, To: engine.Target{User: heir}, Room: name}, done)
		})
	})
}
