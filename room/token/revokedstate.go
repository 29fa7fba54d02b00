package token

import (
	"time"

	"webim/netpoll/snapshot"
)

// Export writes down the entries that are in force, for another process.
func (r *Revoked) Export(e *snapshot.Encoder) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	now := r.now()
	for user, u := range r.users {
		if !over(u.until, now) {
			e.Message(1, func(e *snapshot.Encoder) {
				e.String(1, user)
				e.Time(2, u.until)
				e.Time(3, u.since)
			})
		}
	}
	for id, until := range r.ids {
		if !over(until, now) {
			e.Message(2, func(e *snapshot.Encoder) {
				e.String(1, id)
				e.Time(2, until)
			})
		}
	}
}

// Import adds the entries that another process has written down. The error is ErrFull, or that the state is malformed.
func (r *Revoked) Import(d *snapshot.Decoder) error {
	for field := d.Next(); field != 0; field = d.Next() {
		if field != 1 && field != 2 {
			continue
		}
		name, until, since, err := decodeRevoked(d.Message())
		switch {
		case err != nil:
		case field == 1:
			err = r.RevokeUser(name, since, until)
		default:
			err = r.RevokeID(name, until)
		}
		if err != nil {
			d.Fail(err)
		}
	}
	return d.Err()
}

func decodeRevoked(d *snapshot.Decoder) (name string, until, since time.Time, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			name = d.String()
		case 2:
			until = d.Time()
		case 3:
			since = d.Time()
		}
	}
	return name, until, since, d.Err()
}
