package moving

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"webim/netpoll/snapshot"
)

// A Server is the part of a server that belongs to no connection.
type Server struct {
	Listeners   []Listener
	Generations []uint32 // of the records, by number
	Flights     []Flight
}

// A Flight has the latest events of a connection, the oldest first.
type Flight struct {
	ID     uint64
	Events []Event
}

// An Event is something that has happened on a connection: see flight.Event.
type Event struct {
	Ago, Bytes  uint32 // Ago is in ms
	Code        uint16
	Kind, Count uint8
}

// eventSize is the number of bytes of an Event. There can be 14,000 of them.
const eventSize = 12

// A Listener is described by the text that it was made with.
type Listener struct {
	Network, Addr string
	TLS           bool
}

// Append writes the server down.
func (s *Server) Append(e *snapshot.Encoder) {
	for _, ln := range s.Listeners {
		e.Message(1, func(e *snapshot.Encoder) {
			e.String(1, ln.Network)
			e.String(2, ln.Addr)
			e.Bool(3, ln.TLS)
		})
	}
	for _, gen := range s.Generations {
		e.Uint(2, uint64(gen)+1) // zero would be left out
	}
	for _, f := range s.Flights {
		e.Message(3, func(e *snapshot.Encoder) {
			e.Uint(1, f.ID)
			var all []byte
			for _, one := range f.Events {
				all = one.append(all)
			}
			e.Bytes(2, all)
		})
	}
}

func (e *Event) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, e.Ago)
	b = binary.BigEndian.AppendUint32(b, e.Bytes)
	b = binary.BigEndian.AppendUint16(b, e.Code)
	return append(b, e.Kind, e.Count)
}

// ParseServer reads a server.
func ParseServer(b []byte) (s Server, err error) {
	d := snapshot.Decode(b)
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			ln, err := parseListener(d.Message())
			if err != nil {
				d.Fail(err)
			}
			s.Listeners = append(s.Listeners, ln)
		case 2:
			s.Generations = append(s.Generations, uint32(number(d, math.MaxUint32+1)-1))
		case 3:
			f, err := parseFlight(d.Message())
			if err != nil {
				d.Fail(err)
			}
			s.Flights = append(s.Flights, f)
		}
	}
	if d.Err() != nil {
		err = fmt.Errorf("moving: a server: %w", d.Err())
	}
	return s, err
}

func parseListener(d *snapshot.Decoder) (ln Listener, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			ln.Network = d.String()
		case 2:
			ln.Addr = d.String()
		case 3:
			ln.TLS = d.Bool()
		}
	}
	return ln, d.Err()
}

func parseFlight(d *snapshot.Decoder) (f Flight, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			f.ID = d.Uint()
		case 2:
			b := d.Bytes()
			if len(b)%eventSize != 0 {
				d.Fail(errors.New("an event is cut"))
			}
			for ; len(b) >= eventSize; b = b[eventSize:] {
				f.Events = append(f.Events, Event{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint16(b[8:]), b[10], b[11]})
			}
		}
	}
	return f, d.Err()
}
