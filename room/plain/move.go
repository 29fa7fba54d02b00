package plain

import (
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/snapshot"
	"webim/room/cost"
	"webim/room/identity"
	"webim/room/token"
	"webim/room/wire"
)

// movedMember is a member that moves to another process in a live upgrade.
type movedMember struct {
	room string
	who  *identity.Principal // nil: a connection without a token that has sent nothing yet
}

// Export writes a member down for another process, see netpoll.Mover. ok is false if the connection is in no room, because it
// is being refused.
func (d *Dialect) Export(c netpoll.Conn, dst []byte) (data []byte, ok bool) {
	m, ok := d.hub.Member(c)
	if !ok {
		return nil, false
	}
	e := snapshot.Encoder{B: dst}
	p, _ := c.Data().(*identity.Principal)
	movedMember{m.Room.Name(), p}.export(&e, d.hub.Meter())
	return e.B, true
}

func (m movedMember) export(e *snapshot.Encoder, meter *cost.Meter) {
	e.String(1, m.room)
	if m.who != nil {
		e.Message(2, func(e *snapshot.Encoder) { m.who.Export(e, meter) })
	}
}

func decodeMember(d *snapshot.Decoder, meter *cost.Meter) (m movedMember, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			m.room = d.String()
		case 2:
			m.who = new(identity.Principal)
			if err := m.who.Import(d.Message(), meter); err != nil {
				d.Fail(err)
			}
		}
	}
	return m, d.Err()
}

// Adopt makes a connection a member of its room again, see netpoll.Mover. The data is that of Export.
func (d *Dialect) Adopt(c netpoll.Conn, data []byte) error {
	m, err := decodeMember(snapshot.Decode(data), d.hub.Meter())
	if err != nil {
		return err
	}
	if m.who != nil {
		c.SetData(m.who)
		if who := m.who.Identity(); who != token.Anonymous {
			d.hub.Control().CountBearer(1)
			if !who.Expires.IsZero() {
				d.expire(c, who.Expires)
			}
		}
	}
	if err := d.hub.Adopt(m.room, c); err != nil {
		return err
	}
	if m.who != nil {
		d.hub.Control().CheckErased(m.who.Identity().User, func() {
			end := wire.DisconnectForceNoReconnect
			d.close(c, netpoll.ByOperator, ws.StatusCode(end), end.Text(), "the API's erase")
		})
	}
	d.closeUnwanted(c, m.room) // another node may have banned it while this one moved, and this process may have other rights
	return nil
}
