package entries

import (
	"webim/netpoll/snapshot"
	"webim/room/budget"
	"webim/room/engine"
)

// Export writes all entries down for another process.
func (s *Entries) Export(e *snapshot.Encoder, field int) {
	for _, table := range s.tables {
		for _, g := range table {
			for _, name := range g.names {
				e.Message(field, g.byName[name].export)
			}
		}
	}
}

func (r *record) export(e *snapshot.Encoder) {
	e.String(1, r.Table)
	e.String(2, r.Of)
	e.String(3, r.Name)
	e.Bytes(4, r.Value)
	e.Uint(5, r.Version)
	e.Time(6, r.Expires)
	e.String(7, r.Owner.String())
}

// Import reads an entry that Export has written down. Apply sets it.
func Import(d *snapshot.Decoder) (e engine.Entry, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			e.Table = d.String()
		case 2:
			e.Of = d.String()
		case 3:
			e.Name = d.String()
		case 4:
			e.Value = append([]byte(nil), d.Bytes()...)
		case 5:
			e.Version = d.Uint()
		case 6:
			e.Expires = d.Time()
		case 7:
			e.Owner = budget.ParseOwner(d.String())
		}
	}
	return e, d.Err()
}
