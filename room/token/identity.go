package token

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Anonymous is the identity of all connections without a token.
var Anonymous = &Identity{}

// An Identity is the identity of a connection, from its token. It is immutable.
type Identity struct {
	User     string    // "" means an anonymous user
	ID       string    // the token's id (jti); "" if it has none
	IssuedAt time.Time // zero if the token has no iat

	// Expires is the time at which the connection ends unless the client presents a new token;
	// zero means never. It is the claim expire_at, if there is one (0 means never), and exp
	// otherwise.
	Expires time.Time
	// TokenExpires is exp: after it, the token itself is refused. Zero means never.
	TokenExpires time.Time

	Info     json.RawMessage // for other users: one JSON value, checked like data; nil means none
	Meta     json.RawMessage // only for the application's hooks; nil means none
	Channels []Channel       // rooms that the server subscribes the connection to, sorted by name, without duplicates
	Grants   Grants
}

// A Channel is a room that a connection token subscribes its user to.
type Channel struct {
	Name     string
	Info     json.RawMessage // replaces Identity.Info in this room; nil keeps it
	Data     json.RawMessage // sent to the client with the subscription; nil means none
	Override Override
}

// Override replaces settings of a room for one subscription. A nil field leaves the room's
// setting in force.
type Override struct {
	Presence           *Flag `json:"presence,omitempty"`
	JoinLeave          *Flag `json:"join_leave,omitempty"`
	ForcePushJoinLeave *Flag `json:"force_push_join_leave,omitempty"`
	ForceRecovery      *Flag `json:"force_recovery,omitempty"`
	ForcePositioning   *Flag `json:"force_positioning,omitempty"`
}

// A Flag is a value in Override.
type Flag struct {
	Value bool `json:"value"`
}

// A Subscription allows one user to be in one room. It is immutable.
type Subscription struct {
	User     string    // the user that may use it; "" means an anonymous user
	Client   string    // the only connection that may use it; "" means any connection of the user
	Channel  string    // the room; never empty
	ID       string    // the token's id (jti); "" if it has none
	IssuedAt time.Time // zero if the token has no iat

	Expires      time.Time // like Identity.Expires, but ends the subscription
	TokenExpires time.Time // like Identity.TokenExpires

	Info     json.RawMessage // like Identity.Info, for this room only
	Grants   Grants          // from the claim allow, for this room only; they never include Subscribe unless allow names it: the token itself permits joining
	Override Override
}

// identity builds the Identity from the claims of a connection token.
func (c *claims) identity() (*Identity, error) {
	if c.channel != "" {
		return nil, invalid("it is a subscription token (it has a channel), and a connection token is required")
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

// subscription builds the Subscription from the claims of a subscription token.
func (c *claims) subscription() (*Subscription, error) {
	if c.channel == "" {
		return nil, invalid("it has no channel, and a subscription token is required")
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

// until returns the value of Identity.Expires.
func (c *claims) until() time.Time {
	switch {
	case c.expireAt.IsZero():
		return c.expires.Time
	case c.expireAt.Unix() == 0:
		return time.Time{}
	}
	return c.expireAt.Time
}

// rooms returns the rooms of channels and subs. If both name a room, the entry of subs counts.
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
