package chat

import (
	"context"
	"time"

	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/rpc"
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
	maxMine   = 1000        // rooms in a user's list
	maxGiven  = maxMine / 2 // of these, rooms that others put there; the rest stays free for the user's own choice
	maxRoster = 10_000      // users on a room's roster
)

// mine is the value of an entry of TableMine.
type mine struct {
	Since int64  `json:"since"`          // unix milliseconds
	Name  string `json:"name,omitempty"` // in a direct room: the name in the other user's token at that time
}

// hasRoster reports whether a user that has a room in its list is also on the room's roster.
func hasRoster(name, user string) bool { return kindOf(name) != kindPublic || !policy.IsGuest(user) }

// belongs looks up the roster's entry for a user. there is true if the user has the room in its
// list.
func belongs(ctx context.Context, s store.Store, name, user string) (r policy.Roster, there bool, err error) {
	if hasRoster(name, user) {
		return rosterOf(ctx, s, name, user)
	}
	e, err := s.Get(ctx, engine.Key{Table: engine.TableMine, Of: user, Name: name})
	return policy.Roster{}, e.Version != 0, err
}

// rosterOf looks up the roster's entry for a user.
func rosterOf(ctx context.Context, s store.Store, name, user string) (r policy.Roster, there bool, err error) {
	r, e, err := store.Read[policy.Roster](ctx, s, engine.Key{Table: engine.TableMember, Of: name, Name: user})
	return r, e.Version != 0, err
}

// enroll puts a user on a room's roster, and the room into the user's list if that has fewer than
// most rooms. s is the State of whoever pays for both entries. isNew is false if the user was on the roster before.
// With the entries it stores the names to show while a user is away: on the roster the user's own
// name, and in the list of a direct room the name of the other user, if that one takes part in the
// room by then.
func enroll(ctx context.Context, h *room.Hub, s store.Store, name, user, role string, most int) (isNew bool, err error) {
	_, there, err := belongs(ctx, s, name, user)
	if err != nil {
		return false, err
	}
	if there { // the common case, as with every direct message: it looks up no names, and only writes a missing list entry
		return writeMembership(ctx, s, name, user, policy.Roster{Role: role}, "")
	}
	if err := store.AtMost(ctx, s, most, engine.TableMine, user, "the user's list of rooms is full: leave a room"); err != nil {
		return false, err
	}
	if hasRoster(name, user) {
		if err := store.AtMost(ctx, s, maxRoster, engine.TableMember, name, "the room has the maximum number of members"); err != nil {
			return false, err
		}
	}
	own, others := "", ""
	switch kindOf(name) {
	case kindPrivate:
		own = nameIn(lookUp(ctx, h, user).Info)
	case kindDirect:
		others = nameOfOther(ctx, h, name, user, otherIn(name, user))
	}
	return writeMembership(ctx, s, name, user, policy.Roster{Role: role, Name: own}, others)
}

// nameOfOther finds the name of the other user of a direct room. It is "" unless the other user is
// connected and takes part in the room.
func nameOfOther(ctx context.Context, h *room.Hub, name, user, other string) string {
	if is, err := takesPart(ctx, serverStore(h), name, other, user); err != nil || !is {
		return ""
	}
	return nameIn(lookUp(ctx, h, other).Info)
}

// keepName stores the name of the other user in a user's list entry of a direct room, after the
// other one has joined the room. An error is ignored: the list then shows no name.
func keepName(ctx context.Context, h *room.Hub, s store.Store, name, user, other string) {
	shown := nameOfOther(ctx, h, name, user, other)
	_ = store.Change(ctx, s, engine.Key{Table: engine.TableMine, Of: user, Name: name}, func(m *mine, there bool) bool {
		if !there || shown == "" || m.Name != "" {
			return false
		}
		m.Name = shown
		return true
	})
}

// writeMembership writes the two entries of a membership, as far as they do not exist. r is the entry
// of the roster, and others the name to show in the list.
func writeMembership(ctx context.Context, s store.Store, name, user string, r policy.Roster, others string) (isNew bool, err error) {
	r.Since = time.Now().UnixMilli()
	list := func() (isNew bool, err error) {
		err = store.Change(ctx, s, engine.Key{Table: engine.TableMine, Of: user, Name: name}, func(m *mine, there bool) bool {
			m.Since, m.Name, isNew = r.Since, others, !there
			return isNew
		})
		return isNew, err
	}
	if !hasRoster(name, user) {
		return list()
	}
	member := engine.Key{Table: engine.TableMember, Of: name, Name: user}
	err = store.Change(ctx, s, member, func(old *policy.Roster, there bool) bool {
		if isNew = !there; isNew {
			*old = r
		}
		return isNew
	})
	if err != nil {
		return false, err
	}
	if _, err = list(); err != nil && isNew {
		// A room that is not in the user's list could never be left, so the first write is undone.
		_ = s.Delete(ctx, member, engine.AnyVersion)
		return false, err
	}
	return isNew, err
}

// leave removes a user from a room's roster, the room from the user's list, and the user's marks
// there.
func leave(ctx context.Context, s store.Store, name, user string) error {
	for _, k := range []engine.Key{
		{Table: engine.TableMember, Of: name, Name: user}, // first: see above
		{Table: engine.TableMine, Of: user, Name: name},
		markKey(name, user),
	} {
		if err := s.Delete(ctx, k, engine.AnyVersion); err != nil {
			return err
		}
	}
	return nil
}

type joinRequest struct {
	inRoom
}

// join puts a room into the caller's list. A private room must be there already, by an invitation.
func (c *Chat) join(ctx context.Context, call *rpc.Call, q *joinRequest) (empty, error) {
	user, err := named(call)
	if err != nil {
		return empty{}, err
	}
	if err := may(call, policy.ActJoin, q.Room); err != nil {
		return empty{}, err
	}
	if kindOf(q.Room) == kindPrivate {
		if _, invited, err := rosterOf(ctx, store.New(call.State()), q.Room, user); err != nil {
			return empty{}, err
		} else if !invited {
			return empty{}, wire.ErrPermissionDenied
		}
	}
	isNew, err := enroll(ctx, call.Hub, store.New(call.State()), q.Room, user, "", maxMine)
	if err != nil || !isNew {
		return empty{}, err
	}
	tellList(call, user, q.Room)
	if !hasRoster(q.Room, user) {
		return empty{}, nil
	}
	return empty{}, publishRoster(call, q.Room, eventJoin, user)
}

// takesPart looks up whether a user takes part in a direct room with the other one: it is on the
// room's roster, and declines neither the room nor the other user. If it does not take part, the
// other user may learn nothing about it except the id, which anybody can write: see policy.ActMeet.
func takesPart(ctx context.Context, s store.Store, name, user, other string) (bool, error) {
	if _, there, err := rosterOf(ctx, s, name, user); err != nil || !there {
		return false, err
	}
	declined, err := declines(ctx, s, user, name, other)
	return !declined && err == nil, err
}

// markKey returns the key of a mark. The marks of a user have the same Of, so that they can be
// counted.
func markKey(name, user string) engine.Key {
	return engine.Key{Table: engine.TableMark, Of: user, Name: name}
}
