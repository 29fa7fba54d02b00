package moving

import (
	"fmt"
	"math"

	"webim/netpoll/snapshot"
)

// A Server is the part of a server that belongs to no connection.
type Server struct {
	Listeners   []Listener
	Generations []uint32 // of the records, by number
}

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
