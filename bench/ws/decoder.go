package ws

// HeadBytes is how much of a message's payload a Decoder keeps: the stamp (see stamp.go).
const HeadBytes = 16

// Event is one thing that came in: a whole message, or a control frame.
type Event struct {
	Op      byte            // of the message's first frame, or of the control frame
	Len     int             // of the whole payload
	Head    [HeadBytes]byte // its first bytes; zero beyond Len
	Payload []byte          // of a control frame, and of a message if the decoder keeps them; valid until the next call of Next
}

// Decoder cuts a server's byte stream into events without keeping payloads: it holds the head of an unfinished frame and counts the rest
// away. The zero value is ready. It is resumable at any byte.
//
//	head (carry holds what came of it) ──► body (left bytes to go) ──► head ...
type Decoder struct {
	Inflater *Inflater // of the worker; nil: compression was not agreed on
	Keep     bool      // whole payloads, not their beginnings only; not together with inflate

	carry      []byte // an unfinished head: the header and the part of the payload that is kept
	rest       int    // payload bytes of the current frame still to come
	body       bool   // between head and end of a frame
	fin        bool   // the current frame ends its message
	open       bool   // a fragmented message has begun
	kept       int    // bytes in msg.Head
	msg        Event  // the current message
	compressed bool   // it is compressed
	Payload    []byte // what came of it then, or if payloads are kept
}

// Idle reports whether the next byte begins a frame of a new message, so that a caller may look at the bytes himself.
func (d *Decoder) Idle() bool { return !d.body && !d.open && len(d.carry) == 0 }

// Next eats from b until an event is complete or b is empty; n is what it ate. Call it again with the rest, until n == len(b) and !ok. After an
// error the stream is lost.
func (d *Decoder) Next(b []byte) (ev Event, n int, ok bool, err error) {
	for {
		if !d.body {
			used, h, kept, err := d.head(b[n:])
			n += used
			if err != nil || kept == nil {
				return Event{}, n, false, err
			}
			if h.Control() {
				ev = Event{Op: h.Op, Len: h.Length, Payload: kept}
				copy(ev.Head[:], kept)
				return ev, n, true, nil
			}
			if err := d.begin(h, kept); err != nil {
				return Event{}, n, false, err
			}
		}
		skip := min(d.rest, len(b)-n)
		d.rest -= skip
		if d.compressed || d.Keep {
			d.Payload = append(d.Payload, b[n:n+skip]...)
		}
		n += skip
		if d.rest > 0 {
			return Event{}, n, false, nil
		}
		d.body = false
		if d.fin {
			d.open = false
			err := d.unpack()
			return d.msg, n, true, err
		}
	}
}

// head completes a frame's head from b; kept is nil while bytes are missing, and aliases b or the carry otherwise.
func (d *Decoder) head(b []byte) (used int, h Header, kept []byte, err error) {
	src := b
	if len(d.carry) > 0 {
		for {
			need, err := headNeed(d.carry)
			if err != nil {
				return used, h, nil, err
			}
			take := min(need-len(d.carry), len(b)-used)
			if take <= 0 {
				if len(d.carry) < need {
					return used, h, nil, nil
				}
				break
			}
			d.carry = append(d.carry, b[used:used+take]...)
			used += take
		}
		src = d.carry
	}
	need, err := headNeed(src)
	if err != nil {
		return used, h, nil, err
	}
	if len(src) < need {
		d.carry = append(d.carry[:0], b...)
		return len(b), h, nil, nil
	}
	if h, err = ParseHeader(src); err != nil {
		return used, h, nil, err
	}
	if len(d.carry) == 0 {
		used = need
	}
	d.carry = d.carry[:0]
	return used, h, src[h.Size:need:need], nil
}

// headNeed returns how many bytes the head that begins with p has, as far as p shows.
func headNeed(p []byte) (int, error) {
	n := HeaderSize(p)
	if len(p) < n {
		return n, nil
	}
	h, err := ParseHeader(p)
	if err == nil && h.Masked {
		err = ErrMasking
	}
	if h.Control() {
		return n + h.Length, err
	}
	return n + min(h.Length, HeadBytes), err
}

// begin takes a data frame's head into the current message.
func (d *Decoder) begin(h Header, kept []byte) error {
	if (h.Op == Continuation) != d.open {
		return errSequence
	}
	if h.Compressed && d.Inflater == nil {
		return ErrReserved
	}
	if !d.open {
		d.msg, d.kept, d.compressed, d.Payload = Event{Op: h.Op}, 0, h.Compressed, d.Payload[:0]
	}
	if d.compressed || d.Keep {
		d.Payload = append(d.Payload, kept...)
	}
	d.kept += copy(d.msg.Head[d.kept:], kept)
	d.msg.Len += h.Length
	d.rest, d.body, d.fin, d.open = h.Length-len(kept), true, h.Fin, true
	return nil
}

// unpack replaces what a compressed message's bytes say by what is in them.
func (d *Decoder) unpack() error {
	if d.Keep {
		d.msg.Payload = d.Payload
	}
	if !d.compressed {
		return nil
	}
	d.compressed = false
	err := d.Inflater.open(d.Payload, &d.msg)
	d.Forget()
	return err
}

// Forget lets go of a big message that is complete: few clients wait for one at a time, so what one needed is not kept.
func (d *Decoder) Forget() {
	if cap(d.Payload) > 4<<10 && !d.open {
		d.Payload = nil
	}
}
