package config

import (
	"fmt"

	"webim/room/policy"
)

// lobby is the room that the page opens first.
const lobby = "lobby"

// pageWarnings warns of settings with which nobody can use the page, because of the rights in
// the lobby or in other rooms that the page needs. The rights that tokens and hooks add are
// unknown here, so without the section rooms there are no warnings.
func (c *Config) pageWarnings() (all []string) {
	if len(c.Rooms) == 0 || c.HookSubscribe != "" {
		return nil
	}
	all = c.lobbyWarnings()
	for _, r := range []struct{ example, what, lost string }{
		{"#anna", "a user's own room (#USER)", "invitations and unread messages are not announced"},
		{"#anna,bob", "direct rooms (#USER,USER)", "users cannot write to each other alone"},
		{"$room", "private rooms ($…)", "users cannot make rooms of their own"},
	} {
		o := c.Patterns().Options(r.example)
		talks := r.example == "#anna" || permits(o, policy.ActSend)
		if !permits(o, policy.ActJoin) || !permits(o, policy.ActRead) || !talks {
			all = append(all, fmt.Sprintf("the entry %q of rooms decides for %s, too, and does not allow joining, reading or sending there, so that %s: put an entry for %q with these rights before it",
				c.entryOf(r.example), r.what, r.lost, r.example[:1]+"*"))
		}
	}
	return all
}

// lobbyWarnings explains why the page cannot open the lobby.
func (c *Config) lobbyWarnings() []string {
	const advice = "only users with a right from a token can use the page, which opens that room first"
	o := c.Patterns().Options(lobby)
	entry := c.entryOf(lobby)
	switch {
	case o == nil:
		return []string{"no entry of rooms is for the room lobby, so that " + advice + `: add - match: lobby, with allow: {join: user, read: user, history: user, send: user}`}
	case !permits(o, policy.ActJoin) || !permits(o, policy.ActRead):
		return []string{fmt.Sprintf("the entry %q of rooms does not allow joining and reading the room lobby, so that %s: add join: user and read: user to its allow", entry, advice)}
	case o.Binary:
		return []string{fmt.Sprintf("the entry %q of rooms makes the room lobby binary, and the page, which speaks JSON, cannot join it: leave out binary there", entry)}
	case !permits(o, policy.ActHistory):
		return []string{fmt.Sprintf("the entry %q of rooms does not allow reading the history of the room lobby, so that the page shows no earlier messages: add history: user to its allow", entry)}
	}
	return nil
}

// permits reports whether a user without special roles may do a in a room with the options o.
// Actions other than joining and reading are checked as a member.
func permits(o *policy.Options, a policy.Action) bool {
	held := policy.RoleAnonymous | policy.RoleUser
	if a != policy.ActJoin && a != policy.ActRead {
		held |= policy.RoleMember
	}
	return o != nil && o.Rights.Allows(held, a)
}

// entryOf returns the pattern of the file's entry that decides for a room; "" if none matches.
func (c *Config) entryOf(name string) string {
	for i := range c.Rooms {
		if (policy.Patterns{c.Rooms[i].Pattern(c.HistoryAge)}).Options(name) != nil {
			return c.Rooms[i].Match
		}
	}
	return ""
}
