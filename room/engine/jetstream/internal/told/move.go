package told

import (
	"bytes"
	"time"

	"webim/netpoll/snapshot"
	"webim/room/engine"
)

// Export writes the members down for another process. No question is open.
func (m *Members) Export(e *snapshot.Encoder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, r := range m.rooms {
		e.Message(1, func(e *snapshot.Encoder) {
			e.String(1, name)
			e.Bool(2, r.tooBig)
			e.Bool(3, r.shown)
			for node, all := range r.nodes {
				e.Message(4, func(e *snapshot.Encoder) { exportNode(e, node, all) })
			}
		})
	}
	for node, since := range m.gone {
		e.Message(2, func(e *snapshot.Encoder) {
			e.String(1, node)
			e.Time(2, since)
		})
	}
}

func exportNode(e *snapshot.Encoder, node string, all map[string]*member) {
	e.String(1, node)
	for _, one := range all {
		e.Message(2, func(e *snapshot.Encoder) {
			one.who.Encode(e) // the fields 1 to 4
			e.Bool(5, one.absent)
		})
	}
}

// Import adds the members that Export has written down. The rooms must have got members on this node again before the next
// Forget.
func (m *Members) Import(d *snapshot.Decoder) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for field := d.Next(); field != 0; field = d.Next() {
		var err error
		switch field {
		case 1:
			err = m.importRoomLocked(d.Message())
		case 2:
			err = m.importGoneLocked(d.Message())
		}
		if err != nil {
			d.Fail(err)
		}
	}
	return d.Err()
}

func (m *Members) importGoneLocked(d *snapshot.Decoder) error {
	var node string
	var since time.Time
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			node = d.String()
		case 2:
			since = d.Time()
		}
	}
	m.gone[node] = since
	return d.Err()
}

func (m *Members) importRoomLocked(d *snapshot.Decoder) error {
	name, r := "", new(room)
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			name = d.String()
			r = m.roomLocked(name)
		case 2:
			r.tooBig = d.Bool()
		case 3:
			r.shown = d.Bool()
		case 4:
			if err := m.importNodeLocked(name, r, d.Message()); err != nil {
				return err
			}
		}
	}
	return d.Err()
}

func (m *Members) importNodeLocked(name string, r *room, d *snapshot.Decoder) error {
	node := ""
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			node = d.String()
		case 2:
			who, absent, err := readMember(d.Message())
			if err != nil {
				return err
			}
			if r.tooBig || r.nodes[node][who.Client] != nil {
				continue
			}
			if m.addLocked(name, r, node, who); !r.tooBig {
				r.nodes[node][who.Client].absent = absent
			}
		}
	}
	return d.Err()
}

func readMember(d *snapshot.Decoder) (who engine.Author, absent bool, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			who.User = d.String()
		case 2:
			who.Client = d.String()
		case 3:
			who.ConnInfo = bytes.Clone(d.Bytes()) // not a part of the whole state
		case 4:
			who.ChanInfo = bytes.Clone(d.Bytes())
		case 5:
			absent = d.Bool()
		}
	}
	return who, absent, d.Err()
}
