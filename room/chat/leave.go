package chat

import (
	"context"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/await"
	"webim/room/budget"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

type leaveRequest struct {
	inRoom
	Forever bool `json:"forever"` // also decline all invitations to the room
}

// leave removes a room from the caller's list. If the room is private, leave also takes the caller
// out of it, makes the longest-standing user the owner if the caller was the owner, and forgets the
// room if nobody is left.
func (c *Chat) leave(ctx context.Context, call *rpc.Call, q *leaveRequest) (empty, error) {
	user, err := named(call)
	if err != nil {
		return empty{}, err
	}
	if wire.CheckRoomName(q.Room) != nil {
		return empty{}, wire.ErrBadRequest
	}
	if q.Forever {
		if err := storeDecline(ctx, call, declinedRoom(user, q.Room)); err != nil {
			return empty{}, err
		}
	}
	was, listed, err := belongs(ctx, serverStore(call.Hub), q.Room, user)
	if err != nil || !listed {
		return empty{}, err
	}
	if err := leave(ctx, serverStore(call.Hub), q.Room, user); err != nil {
		return empty{}, err
	}
	tellList(call, user, q.Room)
	if hasRoster(q.Room, user) {
		_ = publishRoster(call, q.Room, eventLeave, user) // the user has left in any case
		if kindOf(q.Room) == kindPrivate {
			// The roster in the State ends the memberships of the user, except those of an admin, who may be in the room
			// without being on the roster.
			m := engine.ControlMessage{Kind: engine.ControlUnsubscribe, To: engine.Target{User: user}, Room: q.Room}
			if err := sendControl(ctx, call.Hub, m); err != nil {
				return empty{}, err
			}
		}
	}
	return empty{}, afterLeave(ctx, call.Hub, call.Payer(), q.Room, was)
}

// sendControl sends a control message to all nodes.
func sendControl(ctx context.Context, h *room.Hub, m engine.ControlMessage) error {
	return await.Error(ctx, func(done func(error)) { h.Control().Send(m, done) })
}

// afterLeave looks after a room that a user has left: see succeed. It tells the new owner.
func afterLeave(ctx context.Context, h *room.Hub, payer budget.Owner, name string, was policy.Roster) error {
	heir, err := succeed(ctx, serverStore(h), name, was)
	if err != nil || heir == "" {
		return err
	}
	tell(h, payer, heir, map[string]string{engine.TagEvent: eventRooms, tagRoom: name}, nil)
	return nil
}

// succeed forgets a room if nobody is left, and finds a new owner if the owner has left.
func succeed(ctx context.Context, s store.Store, name string, was policy.Roster) (heir string, err error) {
	some, err := s.List(ctx, engine.TableMember, name, "", 1)
	switch {
	case err != nil:
		return "", err
	case len(some) == 0:
		return "", forget(ctx, s, name)
	case was.Role == policy.OwnerRole:
		return inherit(ctx, s, name)
	}
	return "", nil
}

// forget removes the State entries of a room that is in nobody's list. For a private room these are
// its settings, bans and mutes. For a public room it is the title that its creator has set; the
// settings of a manager stay, and so do bans and mutes, which do not belong to the members.
func forget(ctx context.Context, s store.Store, name string) error {
	settings := engine.Key{Table: engine.TableRoom, Of: name}
	if kindOf(name) != kindPrivate {
		set, version, err := settingsOf(ctx, s, name)
		if err == nil && set.By != "" {
			_ = s.Delete(ctx, settings, version) // if somebody has changed the settings meanwhile, they stay
		}
		return err
	}
	for _, table := range []string{engine.TableBan, engine.TableBanIP, engine.TableMute} {
		all, err := s.List(ctx, table, name, "", maxRoster)
		if err != nil {
			return err
		}
		for _, e := range all {
			if err := s.Delete(ctx, e.Key, engine.AnyVersion); err != nil {
				return err
			}
		}
	}
	return s.Delete(ctx, settings, engine.AnyVersion)
}

// inherit makes the user that has been on the roster longest the owner, unless the room has an
// owner.
func inherit(ctx context.Context, s store.Store, name string) (heir string, err error) {
	all, err := s.List(ctx, engine.TableMember, name, "", maxRoster)
	if err != nil {
		return "", err
	}
	since := int64(0)
	for _, e := range all {
		var r policy.Roster
		if json.Unmarshal(e.Value, &r) != nil {
			continue
		}
		if r.Role == policy.OwnerRole {
			return "", nil
		}
		if heir == "" || r.Since < since {
			heir, since = e.Name, r.Since
		}
	}
	if heir == "" {
		return "", nil
	}
	return heir, store.Change(ctx, s, engine.Key{Table: engine.TableMember, Of: name, Name: heir}, func(r *policy.Roster, there bool) bool {
		r.Role = policy.OwnerRole
		return there
	})
}
