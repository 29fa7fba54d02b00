package flight

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/snapshot"
	"webim/room/budget"
)

// In a live upgrade the records move to the new process. The events of open connections move with the server; traces do not.

// maxMoved limits the bytes of the records of a queue that move: the latest move. All of them have less, unless names and reasons
// are as long as they can be.
const maxMoved = 4 << 20

// Export writes the records down for another process.
func (r *Recorder) Export(e *snapshot.Encoder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	export(e, 1, r.opened)
	export(e, 2, r.never)
}

// export writes the records of a queue down, the oldest first.
func export(e *snapshot.Encoder, field int, q *budget.Queue[*end]) {
	var latest [][]byte
	size := 0
	for _, item := range slices.Backward(slices.Collect(q.All())) {
		var one snapshot.Encoder
		item.Value.export(&one)
		if size += len(one.B); size > maxMoved {
			break
		}
		latest = append(latest, one.B)
	}
	for _, b := range slices.Backward(latest) {
		e.Item(field, b)
	}
}

// Import adds the records that Export has written down.
func (r *Recorder) Import(d *snapshot.Decoder) error {
	for field := d.Next(); field != 0; field = d.Next() {
		q := r.opened
		switch field {
		case 1:
		case 2:
			q = r.never
		default:
			continue
		}
		one, err := decodeEnd(d.Message())
		if err != nil {
			d.Fail(err)
			break
		}
		r.keep(q, one)
	}
	return d.Err()
}

func (e *end) export(to *snapshot.Encoder) {
	i, f := &e.info, &e.flight
	to.String(1, e.user)
	to.String(2, e.client)
	to.String(3, e.dialect)
	for _, room := range e.rooms {
		to.String(4, room)
	}
	to.Uint(5, uint64(e.inRooms))
	to.Time(6, e.at)
	to.Uint(7, uint64(i.ID))
	if i.Remote.IsValid() {
		to.String(8, i.Remote.String())
	}
	to.Bool(9, i.TLS)
	to.Time(10, i.Opened)
	to.Time(11, i.LastReceive)
	to.Time(12, i.LastSend)
	for k, n := range []uint64{i.BytesIn, i.BytesOut, i.MessagesIn, i.MessagesOut} {
		to.Uint(13+k, n)
	}
	to.Uint(17, uint64(f.HighWater))
	to.Int(18, int64(f.RoundTrip))
	to.String(19, e.why.Cause.String())
	to.Uint(20, uint64(e.why.Code))
	to.String(21, e.why.Reason)
	to.String(22, e.why.By.String())
	for _, one := range f.Events {
		to.Message(23, func(to *snapshot.Encoder) {
			to.Uint(1, uint64(one.Kind))
			to.Time(2, one.At)
			to.Uint(3, uint64(one.Count))
			to.Uint(4, uint64(one.Bytes))
			to.Uint(5, uint64(one.Code))
		})
	}
}

func decodeEnd(d *snapshot.Decoder) (*end, error) {
	e := new(end)
	i, f := &e.info, &e.flight
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			e.user = d.String()
		case 2:
			e.client = d.String()
		case 3:
			e.dialect = d.String()
		case 4:
			e.rooms = append(e.rooms, d.String())
		case 5:
			e.inRooms = int(d.Uint())
		case 6:
			e.at = d.Time()
		case 7:
			i.ID = netpoll.ID(d.Uint())
		case 8:
			var err error
			if i.Remote, err = netip.ParseAddrPort(d.String()); err != nil {
				d.Fail(err)
			}
		case 9:
			i.TLS = d.Bool()
		case 10, 11, 12:
			*[]*time.Time{&i.Opened, &i.LastReceive, &i.LastSend}[field-10] = d.Time()
		case 13, 14, 15, 16:
			*[]*uint64{&i.BytesIn, &i.BytesOut, &i.MessagesIn, &i.MessagesOut}[field-13] = d.Uint()
		case 17:
			f.HighWater = int(d.Uint())
		case 18:
			f.RoundTrip = time.Duration(d.Int())
		case 19:
			e.why.Cause = causeNamed(d.String())
		case 20:
			e.why.Code = ws.StatusCode(d.Uint())
		case 21:
			e.why.Reason = d.String()
		case 22:
			e.why.By = partyNamed(d.String())
		case 23:
			f.Events = append(f.Events, decodeEvent(d.Message()))
		}
	}
	return e, d.Err()
}

func decodeEvent(d *snapshot.Decoder) (e netpoll.Event) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			e.Kind = netpoll.EventKind(d.Uint())
		case 2:
			e.At = d.Time()
		case 3:
			e.Count = int(d.Uint())
		case 4:
			e.Bytes = int(d.Uint())
		case 5:
			e.Code = uint16(d.Uint())
		}
	}
	return e
}

// causeNamed returns the cause with a name; netpoll.ServerClosed for one that this program does not know.
func causeNamed(name string) netpoll.Cause {
	for _, c := range netpoll.Causes() {
		if c.String() == name {
			return c
		}
	}
	return netpoll.ServerClosed
}

// partyNamed returns the party with a name; netpoll.ByServer for one that this program does not know.
func partyNamed(name string) netpoll.Party {
	for p := netpoll.ByClient; p <= netpoll.ByLimit; p++ {
		if p.String() == name {
			return p
		}
	}
	return netpoll.ByServer
}
