package published

import (
	"webim/netpoll/snapshot"
	"webim/room/budget"
)

// Export writes the keys down for another process, the oldest first. The hashes of the contents do not move, because each
// process has a seed of its own.
func (k *Keys) Export(e *snapshot.Encoder, field int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for one := range k.queue.All() {
		v := &one.Value
		e.Message(field, func(e *snapshot.Encoder) {
			e.String(1, v.id.room)
			e.String(2, v.id.key)
			e.String(3, v.pos.Epoch)
			e.Uint(4, v.pos.Offset)
			e.Time(5, v.expires)
			e.String(6, one.Owner().String())
		})
	}
}

// Import adds a key that Export has written down. A message with this key counts as the same message, whatever its content.
func (k *Keys) Import(d *snapshot.Decoder) error {
	v := entry{moved: true}
	var payer budget.Owner
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			v.id.room = d.String()
		case 2:
			v.id.key = d.String()
		case 3:
			v.pos.Epoch = d.String()
		case 4:
			v.pos.Offset = d.Uint()
		case 5:
			v.expires = d.Time()
		case 6:
			payer = budget.ParseOwner(d.String())
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if d.Err() == nil && k.known[v.id] == nil {
		k.addLocked(payer, v)
	}
	return d.Err()
}
