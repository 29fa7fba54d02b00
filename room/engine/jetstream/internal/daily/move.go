package daily

import (
	"time"

	"webim/netpoll/snapshot"
	"webim/room/budget"
)

// Export writes down for another process when the shares that are not full will be.
func (s *Shares) Export(e *snapshot.Encoder, field int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := int64(max(0, now.Sub(s.started)))
	for payer, b := range s.buckets {
		if b.Full() <= clock {
			continue
		}
		e.Message(field, func(e *snapshot.Encoder) {
			e.String(1, payer.String())
			e.Time(2, s.started.Add(time.Duration(b.Full())))
		})
	}
}

// Import adds a share that Export has written down. With another limit than before, it is full at the same time.
func (s *Shares) Import(d *snapshot.Decoder) error {
	var payer budget.Owner
	var full time.Time
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			payer = budget.ParseOwner(d.String())
		case 2:
			full = d.Time()
		}
	}
	if clock := int64(full.Sub(s.started)); d.Err() == nil && clock > 0 {
		s.of(payer, 0).SetFull(min(clock, int64(2*day)))
	}
	return d.Err()
}
