package centrifuge

import (
	"errors"
	"slices"

	"webim/netpoll"
	"webim/netpoll/snapshot"
	"webim/room"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Export writes the session of a connection down for another process, see netpoll.Mover. ok is false if a command has no
// answer yet, or if the session has ended.
func (d *Dialect) Export(c netpoll.Conn, dst []byte) (data []byte, ok bool) {
	s := sessionAt(c)
	if s == nil || !s.IsQuiet() || s.large.Load() != nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	var subs []movedSub
	for i := range s.subs {
		one := &s.subs[i]
		subs = append(subs, movedSub{sub: *one, name: one.room.Name(), listens: one.kind.Notices()})
	}
	e := snapshot.Encoder{B: dst}
	s.export(&e, subs)
	return e.B, true
}

// Stay implements netpoll.Mover: the rooms are told that the client leaves, by the other process.
func (d *Dialect) Stay(c netpoll.Conn) {
	s := sessionAt(c)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.subs {
		if one := &s.subs[i]; one.notices {
			d.hub.Stays(one.room.Name(), s.authorAs(one))
		}
	}
}

// movedSub is a subscription without its slot, which the other process gives anew.
type movedSub struct {
	sub
	name    string
	listens bool // the client gets the notices of others
}

func (s *session) export(e *snapshot.Encoder, subs []movedSub) {
	e.Bytes(1, s.id[:])
	e.Uint(2, uint64(s.enc))
	e.Bool(3, s.Connected())
	e.Message(4, func(e *snapshot.Encoder) { s.Principal.Export(e, s.d.hub.Meter()) })
	for i := range subs {
		e.Message(5, subs[i].export)
	}
	if p := s.partial; p != nil {
		e.Message(6, func(e *snapshot.Encoder) {
			e.Uint(1, uint64(p.count))
			e.Uint(2, uint64(p.left))
		})
	}
	q := s.questions.Load()
	if q == nil {
		return
	}
	e.Bool(7, q.admitted.Load())
	for name, values := range q.header {
		for _, value := range values {
			e.Message(8, func(e *snapshot.Encoder) {
				e.String(1, name)
				e.String(2, value)
			})
		}
	}
}

func (one *movedSub) export(e *snapshot.Encoder) {
	e.String(1, one.name)
	e.Bool(2, one.listens)
	e.Bool(3, one.notices)
	e.Bool(4, one.server)
	e.Bool(5, one.placed)
	if one.token != nil {
		e.Message(6, one.token.export)
	}
}

func (t *subToken) export(e *snapshot.Encoder) {
	e.Bytes(1, t.info)
	e.Int(2, t.expires)
	e.Message(3, t.grants.Encode)
	e.Uint(4, uint64(t.roles))
	e.String(5, t.id)
	e.Int(6, t.issued)
	e.Bool(7, t.byServer)
	e.Bool(8, t.ticket)
}

// Adopt makes the session of a connection again, see netpoll.Mover. The data is that of Export.
func (d *Dialect) Adopt(c netpoll.Conn, data []byte) error {
	s := &session{d: d, conn: c}
	subs, err := s.restore(snapshot.Decode(data))
	if err != nil {
		return err
	}
	c.SetData(s)
	for _, one := range subs {
		if s.find(one.name) >= 0 {
			return errState
		}
		m, err := d.hub.AdoptMember(one.name, c, room.SessionKind(s.enc, c.Variant(), one.listens))
		if err != nil {
			return err
		}
		one.room, one.kind, one.slot = m.Room, m.Kind, m.Slot
		s.subs = append(s.subs, one.sub)
		s.checkBy(one.token.dueAt(s))
	}
	if !s.Connected() {
		info, _ := c.Info()
		d.hub.At(info.Opened.Add(s.cfg().ConnectTimeout), s.mustConnect)
		return nil
	}
	var end wire.DisconnectCode
	if err := d.hub.Control().Register(s); errors.As(err, &end) {
		s.Disconnect(end) // another node did that while this one moved
	}
	s.d.hub.Control().CheckErased(s.Identity().User, func() { s.Disconnect(wire.DisconnectForceNoReconnect) })
	s.judgeMoved(subs)
	s.expireBy(s.Identity().Expires)
	return nil
}

// judgeMoved judges the memberships of a session that has moved anew: another node may have banned the user, revoked a token or
// changed a roster while this one moved, and this process may have other rights.
func (s *session) judgeMoved(subs []movedSub) {
	unwanted := false
	for _, one := range subs {
		m := membershipAt(one.name, one.server, one.token)
		switch t := one.token; {
		case t != nil && s.ticketRevoked(t.id, t.issuedAt()):
			s.d.hub.Post(func() { s.Leave(one.name) })
		case !s.mayStay(one.name, m):
			unwanted = true
		case policy.IsRoster(one.name) && !m.Ticket:
			s.checkRoster(one.name)
		}
	}
	if unwanted {
		s.d.hub.Post(s.leaveBanned)
		s.d.hub.Post(s.Rejudge)
	}
}

// errState: the state of a session cannot be.
var errState = errors.New("centrifuge: the state of a session is malformed")

// restore reads everything but the slots.
func (s *session) restore(d *snapshot.Decoder) (subs []movedSub, err error) {
	s.Identify(token.Anonymous)
	for field := d.Next(); field != 0; field = d.Next() {
		var err error
		switch field {
		case 1:
			if n := copy(s.id[:], d.Bytes()); n < len(s.id) {
				err = errState
			}
		case 2:
			if s.enc = wire.Encoding(min(d.Uint(), 255)); s.enc > wire.Protobuf {
				err = errState
			}
		case 3:
			if d.Bool() {
				s.SetConnected()
			}
		case 4:
			err = s.Principal.Import(d.Message(), s.d.hub.Meter())
		case 5:
			var one movedSub
			one, err = decodeSub(d.Message())
			subs = append(subs, one)
		case 6:
			s.partial, err = decodePartial(d.Message())
		case 7:
			if d.Bool() {
				s.askedOf().admitted.Store(true)
			}
		case 8:
			err = s.restoreHeader(d.Message())
		}
		if err != nil {
			d.Fail(err)
		}
	}
	if d.Err() == nil && s.id == [16]byte{} {
		d.Fail(errState)
	}
	return subs, d.Err()
}

// restoreHeader reads a header of the handshake, which is kept only if the backend still wants it.
func (s *session) restoreHeader(d *snapshot.Decoder) error {
	var name, value string
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			name = d.String()
		case 2:
			value = d.String()
		}
	}
	if b := s.cfg().Backend; b != nil && name != "" && slices.Contains(b.Headers(), name) {
		s.askedOf().header.Add(name, value)
	}
	return d.Err()
}

// maxPartial limits the numbers of a partial batch: no message is larger.
const maxPartial = 1 << 31

func decodePartial(d *snapshot.Decoder) (*partialBatch, error) {
	p := &partialBatch{}
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			p.count = int(min(d.Uint(), maxPartial))
		case 2:
			p.left = int(min(d.Uint(), maxPartial))
		}
	}
	return p, d.Err()
}

func decodeSub(d *snapshot.Decoder) (one movedSub, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			one.name = d.String()
		case 2:
			one.listens = d.Bool()
		case 3:
			one.notices = d.Bool()
		case 4:
			one.server = d.Bool()
		case 5:
			one.placed = d.Bool()
		case 6:
			if one.token, err = decodeSubToken(d.Message()); err != nil {
				d.Fail(err)
			}
		}
	}
	return one, d.Err()
}

func decodeSubToken(d *snapshot.Decoder) (t *subToken, err error) {
	t = &subToken{}
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			t.info = append([]byte(nil), d.Bytes()...)
		case 2:
			t.expires = d.Int()
		case 3:
			if t.grants, err = token.DecodeGrants(d.Message()); err != nil {
				d.Fail(err)
			}
		case 4:
			t.roles = policy.Roles(d.Uint())
		case 5:
			t.id = d.String()
		case 6:
			t.issued = d.Int()
		case 7:
			t.byServer = d.Bool()
		case 8:
			t.ticket = d.Bool()
		}
	}
	return t, d.Err()
}
