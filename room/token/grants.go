package token

import (
	"slices"
	"strings"

	"webim/room/name"
)

// An Action is a set of actions that the claim caps can permit in a room.
type Action uint8

// The actions, with their names in caps.
const (
	Subscribe Action = 1 << iota // sub: join and read
	Publish                      // pub: send
	Presence                     // prs: read the member list
	History                      // hst: read past messages
)

var actions = map[string]Action{"sub": Subscribe, "pub": Publish, "prs": Presence, "hst": History}

// Grants are the rights that a token adds to those of the configuration. The zero value grants
// nothing. Grants are immutable.
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
	pattern string // "*" means every room
}

// capClaim is one entry of caps.
type capClaim struct {
	Channels []string `json:"channels"`
	Match    string   `json:"match"` // "" or wildcard
	Allow    []string `json:"allow"`
}

// newGrants parses caps and roles. The role "moderator" holds in every room; "moderator@team-*"
// holds in the rooms that match. An unknown action grants nothing and is not an error, because
// it may be meant for another server.
func newGrants(caps []capClaim, roles []string) (Grants, error) {
	var g Grants
	for _, c := range caps {
		if c.Match != "" && c.Match != "wildcard" {
			return Grants{}, invalid(`an entry of its claim caps has an unknown match: write wildcard, or leave match out`)
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
			return Grants{}, invalid(`its claim role has an entry that is not a role: write moderator, or moderator@team-*`)
		}
		g.roles = append(g.roles, roleGrant{role, name.Normal(pattern)})
	}
	return g, nil
}

// Allows reports whether caps permit every action of the set all in room. One entry may permit
// some of them and another entry the rest.
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
	return slices.ContainsFunc(c.rooms, func(pattern string) bool { return name.Match(pattern, room) })
}

// Roles returns the roles that the user has in room, each once, in the token's order. The
// configuration decides the rights of each role.
func (g Grants) Roles(room string) []string {
	var all []string
	for _, r := range g.roles {
		if name.Match(r.pattern, room) && !slices.Contains(all, r.role) {
			all = append(all, r.role)
		}
	}
	return all
}

// Has reports whether the user has the role in room. It does not allocate.
func (g *Grants) Has(role, room string) bool {
	for i := range g.roles {
		if g.roles[i].role == role && name.Match(g.roles[i].pattern, room) {
			return true
		}
	}
	return false
}

// None reports whether g grants nothing at all.
func (g *Grants) None() bool { return len(g.caps)+len(g.roles) == 0 }

// MaxPattern is the maximum length of a pattern in bytes, for callers without another bound. It
// is enough for the longest name with a star before, between and after all of its bytes.
const MaxPattern = 2*name.Max + 1
