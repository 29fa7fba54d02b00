package notices

import (
	"errors"
	"time"

	"webim/netpoll/snapshot"
	"webim/room/engine"
)

// errState: the state of another process cannot be.
var errState = errors.New("notices: the waiting notices of another process cannot be these")

// Export writes down the leaves that wait, for another process.
func (d *Delays) Export(e *snapshot.Encoder) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for v, l := range d.pending {
		e.Message(1, func(e *snapshot.Encoder) {
			e.String(1, v.room)
			e.Message(2, l.Who.Encode)
			e.Time(3, l.due)
		})
	}
}

// Import takes over the leaves that wait in another process, after Start.
func (d *Delays) Import(s *snapshot.Decoder) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for field := s.Next(); field != 0; field = s.Next() {
		if field != 1 {
			continue
		}
		room, l, err := decodeLeave(s.Message())
		v := roomClient{room, l.Who.Client}
		if err == nil && (d.pending[v] != nil || v.room == "" || v.client == "") {
			err = errState
		}
		if err != nil {
			s.Fail(err)
			continue
		}
		d.waitLocked(v, l)
	}
	return s.Err()
}

func decodeLeave(d *snapshot.Decoder) (room string, l *leave, err error) {
	l = &leave{Notice: engine.Notice{Left: true}}
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			room = d.String()
		case 2:
			if l.Who, err = engine.DecodeAuthor(d.Message()); err != nil {
				d.Fail(err)
			}
		case 3:
			l.due = d.Time()
		}
	}
	return room, l, d.Err()
}

// Export writes the queue down for another process. now is the time on the owner's clock.
func (q *Queue) Export(e *snapshot.Encoder, now int64) {
	if debt := q.Cost.Full() - now; debt > 0 {
		e.Int(1, debt)
	}
	if shown := q.shownUntil - now; shown > 0 {
		e.Int(2, shown)
	}
	for one := q.waiting.Front(); one != nil; one = one.Next() {
		n := one.Value.(engine.Notice)
		e.Message(3, func(e *snapshot.Encoder) {
			e.Bool(1, n.Left)
			e.Bool(2, q.unshown[n.Who.Client] == one)
			e.Message(3, n.Who.Encode)
		})
	}
}

// longestDebt limits the harm of a damaged state.
const longestDebt = int64(time.Hour)

// Import fills an empty queue with the notices that Export has written down.
func (q *Queue) Import(d *snapshot.Decoder, now int64) error {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			q.Cost.SetFull(now + max(0, min(d.Int(), longestDebt)))
		case 2:
			q.shownUntil = now + max(0, min(d.Int(), int64(presenceDelay)))
		case 3:
			n, unshown, err := decodeNotice(d.Message())
			if err == nil && q.waiting.Len() >= Max {
				err = errState
			}
			if err != nil {
				d.Fail(err)
				continue
			}
			q.push(n, unshown)
		}
	}
	return d.Err()
}

func decodeNotice(d *snapshot.Decoder) (n engine.Notice, unshown bool, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			n.Left = d.Bool()
		case 2:
			unshown = d.Bool()
		case 3:
			if n.Who, err = engine.DecodeAuthor(d.Message()); err != nil {
				d.Fail(err)
			}
		}
	}
	return n, unshown && !n.Left, d.Err()
}
