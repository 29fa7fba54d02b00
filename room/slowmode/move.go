package slowmode

import (
	"errors"
	"time"

	"webim/netpoll/snapshot"
	"webim/room/budget"
)

// errState: the state of another process cannot be.
var errState = errors.New("slowmode: an entry is there twice, or there are too many")

// Export writes the table down for another process, the oldest entries first.
func (t *Table) Export(e *snapshot.Encoder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queue == nil {
		return
	}
	for one := range t.queue.All() {
		e.Message(1, func(e *snapshot.Encoder) {
			e.String(1, one.Value.Room)
			e.String(2, one.Value.User)
			e.String(3, one.Owner().String())
			e.Time(4, one.Value.at)
			e.Time(5, one.Value.end)
			e.String(6, one.Value.id)
		})
	}
}

// Import reads the table of another process into this one, which must be empty.
func (t *Table) Import(d *snapshot.Decoder) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for field := d.Next(); field != 0; field = d.Next() {
		if field == 1 {
			if err := t.importLocked(d.Message()); err != nil {
				d.Fail(err)
			}
		}
	}
	return d.Err()
}

func (t *Table) importLocked(d *snapshot.Decoder) error {
	var one entry
	var payer budget.Owner
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			one.Room = d.String()
		case 2:
			one.User = d.String()
		case 3:
			payer = budget.ParseOwner(d.String())
		case 4:
			one.at = d.Time()
		case 5:
			one.end = d.Time()
		case 6:
			one.id = d.String()
		}
	}
	t.makeRoomLocked(time.Now())
	if d.Err() != nil || t.known[one.Key] != nil || len(t.known) >= MaxEntries {
		return errors.Join(d.Err(), errState)
	}
	t.known[one.Key] = t.queue.Push(payer, one)
	return nil
}
