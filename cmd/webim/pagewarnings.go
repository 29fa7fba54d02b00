package main

import (
	"fmt"

	"webim/room"
)

// lobby is the room that the page opens first.
const lobby = "lobby"

// pageWarnings says with which settings nobody can use the page, though some can join
// something: because of the lobby, or of what it needs besides. What a token or a hook
// permits on top is not known here, so there is nothing to say without the section
// rooms.
func (c *config) pageWarnings() (all []string) {
	if len(c.rooms) == 0 || c.HookSubscribe != "" {
		return nil
	}
	all = c.lobbyWarnings()
	for _, r := range []struct{ example, what, lost string }{
		{"#anna", "a user's own room (#USER)", "invitations and what is unread do not come"},
		{"#anna,bob", "direct rooms (#USER,USER)", "users cannot write to each other alone"},
		{"$room", "private rooms ($…)", "users cannot make rooms of their own"},
	} {
		o := c.patterns().Options(r.example)
		talks := r.example == "#anna" || permits(o, room.ActSend)
		if !permits(o, room.ActJoin) || !permits(o, room.ActRead) || !talks {
			all = append(all, fmt.Sprintf("the entry %q of rooms decides for %s, too, and lets nobody be there or talk, so that %s: put an entry for %q before it that does",
				c.entryOf(r.example), r.what, r.lost, r.example[:1]+"*"))
		}
	}
	return all
}

// lobbyWarnings says why the page cannot open the lobby.
func (c *config) lobbyWarnings() []string {
	const advice = "the page, which opens it first, is of no use to anybody else than whom a token permits it"
	o := c.patterns().Options(lobby)
	entry := c.entryOf(lobby)
	switch {
	case o == nil:
		return []string{"no entry of rooms is for the room lobby, so that " + advice + `: add - match: lobby, with allow: {join: user, read: user, history: user, send: user}`}
	case !permits(o, room.ActJoin) || !permits(o, room.ActRead):
		return []string{fmt.Sprintf("the entry %q of rooms lets nobody join and read the room lobby, so that %s: add join: user and read: user to its allow", entry, advice)}
	case o.Binary:
		return []string{fmt.Sprintf("the entry %q of rooms makes the room lobby binary, and the page, which speaks JSON, cannot join it: leave out binary there", entry)}
	case !permits(o, room.ActHistory):
		return []string{fmt.Sprintf("the entry %q of rooms lets nobody ask for the history of the room lobby, so that the page shows no message from before: add history: user to its allow", entry)}
	}
	return nil
}

// permits tells whether somebody who is no moderator may do something in a room; all but
// joining and reading after having joined it.
func permits(o *room.Options, a room.Action) bool {
	held := room.RoleAnonymous | room.RoleUser
	if a != room.ActJoin && a != room.ActRead {
		held |= room.RoleMember
	}
	return o != nil && o.Rights.Allows(held, a)
}

// entryOf is the file's entry that decides for a room; "" if none does.
func (c *config) entryOf(name string) string {
	for i := range c.rooms {
		if (room.Patterns{c.rooms[i].pattern()}).Options(name) != nil {
			return c.rooms[i].Match
		}
	}
	return ""
}
