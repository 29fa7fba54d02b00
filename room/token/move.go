package token

import (
	"encoding/json"

	"webim/netpoll/snapshot"
)

// Encode writes the identity down for another process.
func (i *Identity) Encode(e *snapshot.Encoder) {
	e.String(1, i.User)
	e.String(2, i.ID)
	e.Time(3, i.IssuedAt)
	e.Time(4, i.Expires)
	e.Time(5, i.TokenExpires)
	e.Bytes(6, i.Info)
	e.Bytes(7, i.Meta)
	for n := range i.Channels {
		e.Message(8, i.Channels[n].encode)
	}
	if !i.Grants.None() {
		e.Message(9, i.Grants.Encode)
	}
}

// DecodeIdentity reads an identity that Encode has written down. That of an anonymous client is Anonymous.
func DecodeIdentity(d *snapshot.Decoder) (*Identity, error) {
	i, known := &Identity{}, false
	for field := d.Next(); field != 0; field = d.Next() {
		known = true
		switch field {
		case 1:
			i.User = d.String()
		case 2:
			i.ID = d.String()
		case 3:
			i.IssuedAt = d.Time()
		case 4:
			i.Expires = d.Time()
		case 5:
			i.TokenExpires = d.Time()
		case 6:
			i.Info = rawOf(d)
		case 7:
			i.Meta = rawOf(d)
		case 8:
			c, err := decodeChannel(d.Message())
			if err != nil {
				d.Fail(err)
			}
			i.Channels = append(i.Channels, c)
		case 9:
			var err error
			if i.Grants, err = DecodeGrants(d.Message()); err != nil {
				d.Fail(err)
			}
		}
	}
	if !known {
		i = Anonymous
	}
	return i, d.Err()
}

func rawOf(d *snapshot.Decoder) json.RawMessage { return append(json.RawMessage(nil), d.Bytes()...) }

func (c *Channel) encode(e *snapshot.Encoder) {
	e.String(1, c.Name)
	e.Bytes(2, c.Info)
	e.Bytes(3, c.Data)
	for field, flag := range c.Override.flags() {
		if *flag != nil {
			e.Uint(4+field, 1)
			e.Bool(10+field, (*flag).Value)
		}
	}
}

func decodeChannel(d *snapshot.Decoder) (c Channel, err error) {
	flags := c.Override.flags()
	for field := d.Next(); field != 0; field = d.Next() {
		switch {
		case field == 1:
			c.Name = d.String()
		case field == 2:
			c.Info = rawOf(d)
		case field == 3:
			c.Data = rawOf(d)
		case field < 4+len(flags):
			*flags[field-4] = new(Flag)
		case field >= 10 && field < 10+len(flags) && *flags[field-10] != nil:
			(*flags[field-10]).Value = d.Bool()
		}
	}
	return c, d.Err()
}

// flags returns the fields in the order in which they are written down.
func (o *Override) flags() []**Flag {
	return []**Flag{&o.Presence, &o.JoinLeave, &o.ForcePushJoinLeave, &o.ForceRecovery, &o.ForcePositioning}
}

// Encode writes the grants down for another process.
func (g Grants) Encode(e *snapshot.Encoder) {
	for _, c := range g.caps {
		e.Message(1, func(e *snapshot.Encoder) {
			for _, room := range c.rooms {
				e.Item(1, []byte(room))
			}
			e.Bool(2, c.wildcard)
			e.Uint(3, uint64(c.allow))
		})
	}
	for _, r := range g.roles {
		e.Message(2, func(e *snapshot.Encoder) {
			e.String(1, r.role)
			e.String(2, r.pattern)
		})
	}
}

// DecodeGrants reads grants that Encode has written down.
func DecodeGrants(d *snapshot.Decoder) (g Grants, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			var c grant
			if c, err = decodeGrant(d.Message()); err == nil {
				g.caps = append(g.caps, c)
			}
		case 2:
			var r roleGrant
			if r, err = decodeRole(d.Message()); err == nil {
				g.roles = append(g.roles, r)
			}
		}
		if err != nil {
			d.Fail(err)
		}
	}
	return g, d.Err()
}

func decodeGrant(d *snapshot.Decoder) (c grant, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			c.rooms = append(c.rooms, d.String())
		case 2:
			c.wildcard = d.Bool()
		case 3:
			c.allow = Action(d.Uint())
		}
	}
	return c, d.Err()
}

func decodeRole(d *snapshot.Decoder) (r roleGrant, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			r.role = d.String()
		case 2:
			r.pattern = d.String()
		}
	}
	return r, d.Err()
}
