package token

import (
	"slices"
	"strings"

	"webim/room/name"
)

// An Action is something that a token's caps can permit in a room.
type Action uint8

// The actions, as caps names them.
const (
	Subscribe Action = 1 << iota // sub: join and read
	Publish                      // pub: send
	Presence                     // prs: see who is there
	History                      // hst: read what was said
)

var actions = map[string]Action{"sub": Subscribe, "pub": Publish, "prs": Presence, "hst": History}

// Grants are what a token permits, in addition to what the configuration does.
// The zero value permits nothing. It is not changed after it is made.
type Grants struct {
	caps  []grant
	roles []roleGrant
}

type grant struct {
	rooms    []string
	wildcard bool // rooms are patterns
	allow    Action
}

type roleGrant struct {
	role    string
	pattern string // "*" is everywhere
}

// capClaim is one entry of caps.
type capClaim struct {
	Channels []string `json:"channels"`
	Match    string   `json:"match"` // "" or wildcard
	Allow    []string `json:"allow"`
}

// newGrants reads caps, and roles as "moderator", which is one in every room, or
// "moderator@team-*", in those that match. An action that is not known permits
// nothing: it may be another server's.
func newGrants(caps []capClaim, roles []string) (Grants, error) {
	var g Grants
	for _, c := range caps {
		if c.Match != "" && c.Match != "wildcard" {
			return Grants{}, invalid(`its claim caps matches in a way that is not offered: write wildcard, or leave match out`)
		}
		e := grant{wildcard: c.Match == "wildcard"}
		for _, room := range c.Channels {
			e.rooms = append(e.rooms, name.Normal(room))
		}
		for _, action := range c.Allow {
			e.allow |= actions[action]
		}
		g.caps = append(g.caps, e)
	}
	for _, text := range roles {
		role, pattern, scoped := strings.Cut(text, "@")
		if !scoped {
			pattern = "*"
		}
		if role == "" || pattern == "" || checkName("", role) != nil {
			return Grants{}, invalid(`its claim role has an entry that is no role: write moderator, or moderator@team-*`)
		}
		g.roles = append(g.roles, roleGrant{role, name.Normal(pattern)})
	}
	return g, nil
}

// Allows reports whether caps permit all of the actions, a set, in a room; one
// entry may permit some and another the rest.
func (g Grants) Allows(all Action, room string) bool {
	for _, c := range g.caps {
		if all&c.allow != 0 && c.match(room) {
			all &^= c.allow
		}
	}
	return all == 0
}

func (c *grant) match(room string) bool {
	if !c.wildcard {
		return slices.Contains(c.rooms, room)
	}
	return slices.ContainsFunc(c.rooms, func(pattern string) bool { return Match(pattern, room) })
}

// Roles are the roles in a room, each once, in the token's order. What a role
// may do is the configuration's.
func (g Grants) Roles(room string) []string {
	var all []string
	for _, r := range g.roles {
		if Match(r.pattern, room) && !slices.Contains(all, r.role) {
			all = append(all, r.role)
		}
	}
	return all
}

// Has reports whether a role is there in a room. It does not allocate.
func (g *Grants) Has(role, room string) bool {
	for i := range g.roles {
		if g.roles[i].role == role && Match(g.roles[i].pattern, room) {
			return true
		}
	}
	return false
}

// None reports whether nothing is permitted at all.
func (g *Grants) None() bool { return len(g.caps)+len(g.roles) == 0 }

// MaxPattern is the most bytes of a pattern, where its length is not bounded by something
// else: enough for every name with a star at each byte.
const MaxPattern = 2*name.Max + 1

// Match reports whether a room's name is as a pattern says, where * stands for
// any bytes, none too, and every other byte for itself. What stands between two stars is
// matched where it is first found, so nothing is tried twice: Match takes a step for each
// byte of both, and searches at most as often as the name has bytes. It does not allocate.
func Match(pattern, name string) bool {
	part, pattern, star := strings.Cut(pattern, "*")
	if !star {
		return part == name
	}
	name, ok := strings.CutPrefix(name, part)
	for ok && star {
		pattern = strings.TrimLeft(pattern, "*") // so that each part has a byte
		if part, pattern, star = strings.Cut(pattern, "*"); star {
			_, name, ok = strings.Cut(name, part)
		}
	}
	return ok && strings.HasSuffix(name, part)
}
