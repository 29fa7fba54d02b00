package token

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// An Identity is who a connection is. It is not changed after it is made.
type Identity struct {
	User     string    // "" is nobody in particular
	ID       string    // of the token (jti); "" if it has none
	IssuedAt time.Time // zero if the token does not say

	// Expires is when the connection ends unless a new token comes; zero is
	// never. It is the claim expire_at, where 0 is never, else exp.
	Expires time.Time
	// TokenExpires is exp: after it the token itself is refused; zero is never.
	TokenExpires time.Time

	Info     json.RawMessage // shown to others: one JSON value, as data is; nil if there is none
	Meta     json.RawMessage // for the server's hooks alone; nil if there is none
	Channels []Channel       // rooms that the server joins the connection to, by name, each once
	Grants   Grants
}

// A Channel is a room that a connection token subscribes to.
type Channel struct {
	Name     string
	Info     json.RawMessage // instead of Identity.Info; nil: that
	Data     json.RawMessage // for the client, with the subscription; nil: none
	Override Override
}

// Override says what a token decides about a subscription instead of the room's
// configuration; nil leaves it to that.
type Override struct {
	Presence           *Flag `json:"presence,omitempty"`
	JoinLeave          *Flag `json:"join_leave,omitempty"`
	ForcePushJoinLeave *Flag `json:"force_push_join_leave,omitempty"`
	ForceRecovery      *Flag `json:"force_recovery,omitempty"`
	ForcePositioning   *Flag `json:"force_positioning,omitempty"`
}

// A Flag is a value of Override.
type Flag struct {
	Value bool `json:"value"`
}

// A Subscription is the right of one user to be in one room. It is not changed
// after it is made.
type Subscription struct {
	User     string    // who may use it; "" is the user without a name
	Client   string    // which connection may use it; "" is any of the user's
	Channel  string    // the room; never empty
	ID       string    // of the token (jti); "" if it has none
	IssuedAt time.Time // zero if the token does not say

	Expires      time.Time // as in Identity, of the subscription
	TokenExpires time.Time // as in Identity

	Info     json.RawMessage // as in Identity, in this room
	Grants   Grants          // what the claim allow permits, in this room; joining it is not among it, but what the token is
	Override Override
}

// identity is what the claims of a connection token mean.
func (c *claims) identity() (*Identity, error) {
	if c.channel != "" {
		return nil, invalid("it is a subscription token (channel), and a connection token is asked for")
	}
	info, err := valueOf("info", c.info, c.b64Info)
	if err != nil {
		return nil, err
	}
	meta, err := valueOf("meta", c.meta, "")
	if err != nil {
		return nil, err
	}
	channels, err := c.rooms()
	if err != nil {
		return nil, err
	}
	grants, err := newGrants(c.caps, append(slices.Clone(c.role), c.roles...))
	if err != nil {
		return nil, err
	}
	return &Identity{
		User: c.user, ID: c.id, IssuedAt: c.issuedAt.Time,
		Expires: c.until(), TokenExpires: c.expires.Time,
		Info: info, Meta: meta, Channels: channels, Grants: grants,
	}, nil
}

// subscription is what the claims of a subscription token mean.
func (c *claims) subscription() (*Subscription, error) {
	if c.channel == "" {
		return nil, invalid("it has no room (channel), and a subscription token is asked for")
	}
	info, err := valueOf("info", c.info, c.b64Info)
	if err != nil {
		return nil, err
	}
	var caps []capClaim
	if len(c.allow) > 0 {
		caps = []capClaim{{Channels: []string{c.channel}, Allow: c.allow}}
	}
	grants, err := newGrants(caps, nil)
	if err != nil {
		return nil, err
	}
	return &Subscription{
		User: c.user, Client: c.client, Channel: c.channel, ID: c.id, IssuedAt: c.issuedAt.Time,
		Expires: c.until(), TokenExpires: c.expires.Time,
		Info: info, Grants: grants, Override: c.override.Override,
	}, nil
}

// until is Identity.Expires.
func (c *claims) until() time.Time {
	switch {
	case c.expireAt.IsZero():
		return c.expires.Time
	case c.expireAt.Unix() == 0:
		return time.Time{}
	}
	return c.expireAt.Time
}

// rooms are those of channels and subs; what subs says of a room counts.
func (c *claims) rooms() ([]Channel, error) {
	var all []Channel
	for name, sub := range c.subs {
		info, err := valueOf("subs", sub.Info, sub.B64Info)
		if err != nil {
			return nil, err
		}
		data, err := valueOf("subs", sub.Data, sub.B64Data)
		if err != nil {
			return nil, err
		}
		all = append(all, Channel{name, info, data, sub.Override.Override})
	}
	for _, name := range c.channels {
		if _, twice := c.subs[name]; !twice {
			all = append(all, Channel{Name: name})
		}
	}
	byName := func(a, b Channel) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(all, byName)
	return slices.CompactFunc(all, func(a, b Channel) bool { return a.Name == b.Name }), nil
}
