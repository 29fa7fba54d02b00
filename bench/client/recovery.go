package client

import "encoding/json"

// Recovery is the place of a client in the history of its room, in the Centrifuge dialect. A scenario sets it before the
// client connects. The client's receiver writes it; read it while the client is not dialing.
type Recovery struct {
	Epoch  string // after the first join: the place at which the client joined
	Offset uint64
	Resume bool // the next join asks for everything after that place

	Recovered bool  // the server says that its reply to that join has everything
	Missed    int   // messages in that reply
	Ordered   bool  // their offsets grow
	At        int64 // when the reply came, by stat.Now
}

// subscribed is the reply to a subscribe command.
type subscribed struct {
	Epoch     string `json:"epoch"`
	Offset    uint64 `json:"offset"`
	Recovered bool   `json:"recovered"`
	Missed    []struct {
		Data   json.RawMessage `json:"data"`
		Offset uint64          `json:"offset"`
	} `json:"publications"`
}

// joined notes the reply to a subscribe command.
func (r *Recovery) joined(s *subscribed, at int64) {
	r.At = at
	if !r.Resume {
		r.Epoch, r.Offset = s.Epoch, s.Offset
		return
	}
	r.Recovered, r.Missed, r.Ordered = s.Recovered && s.Epoch == r.Epoch, len(s.Missed), true
	last := r.Offset
	for _, p := range s.Missed {
		r.Ordered, last = r.Ordered && p.Offset > last, p.Offset
	}
}
