package bench

// headBytes is how much of a message's payload a Decoder keeps: the stamp (see stamp.go).
const headBytes = 16

// Event is one thing that came in: a whole message, or a control frame.
type Event struct {
	Op      byte            // of the message's first frame, or of the control frame
	Len     int             // of the whole payload
	Head    [headBytes]byte // its first bytes; zero beyond Len
	Payload []byte          // of a control frame, and of a message if the decoder keeps them; valid until the next call of Next
}

// Decoder cuts a server's byte stream into events without keeping payloads: it holds the head of an unfinished frame and counts the rest
// away. The zero value is ready. It is resumable at any byte.
//
//	head (carry holds what came of it) ──► body (left bytes to go) ──► head ...
type Decoder struct {
	inflate *inflater // of the worker; nil: compression was not agreed on
	keep    bool      // whole payloads, not their beginnings only; not together with inflate

	carry  []byte // an unfinished head: the header and the part of the payload that is kept
	left   int    // payload bytes of the current frame still to come
	body   bool   // between head and end of a frame
	fin    bool   // the current frame ends its message
	open   bool   // a fragmented message has begun
	kept   int    // bytes in msg.Head
	msg    Event  // the current message
	zip    bool   // it is compressed
	packed []byte // what came of it then, or if payloads are kept
}

// idle reports whether the next byte begins a frame of a new message, so that a caller may look at the bytes himself.
func (d *Decoder) idle() bool { return !d.body && !d.open && len(d.carry) == 0 }

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
			if h.control() {
				ev = Event{Op: h.op, Len: h.length, Payload: kept}
				copy(ev.Head[:], kept)
				return ev, n, true, nil
			}
			if err := d.begin(h, kept); err != nil {
				return Event{}, n, false, err
			}
		}
		skip := min(d.left, len(b)-n)
		d.left -= skip
		if d.zip || d.keep {
			d.packed = append(d.packed, b[n:n+skip]...)
		}
		n += skip
		if d.left > 0 {
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
func (d *Decoder) head(b []byte) (used int, h header, kept []byte, err error) {
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
	if h, err = parseHeader(src); err != nil {
		return used, h, nil, err
	}
	if len(d.carry) == 0 {
		used = need
	}
	d.carry = d.carry[:0]
	return used, h, src[h.size:need:need], nil
}

// headNeed returns how many bytes the head that begins with p has, as far as p shows.
func headNeed(p []byte) (int, error) {
	n := headerSize(p)
	if len(p) < n {
		return n, nil
	}
	h, err := parseHeader(p)
	if err == nil && h.masked {
		err = errMasking
	}
	if h.control() {
		return n + h.length, err
	}
	return n + min(h.length, headBytes), err
}

// begin takes a data frame's head into the current message.
func (d *Decoder) begin(h header, kept []byte) error {
	if (h.op == opContinuation) != d.open {
		return errSequence
	}
	if h.packed && d.inflate == nil {
		return errReserved
	}
	if !d.open {
		d.msg, d.kept, d.zip, d.packed = Event{Op: h.op}, 0, h.packed, d.packed[:0]
	}
	if d.zip || d.keep {
		d.packed = append(d.packed, kept...)
	}
	d.kept += copy(d.msg.Head[d.kept:], kept)
	d.msg.Len += h.length
	d.left, d.body, d.fin, d.open = h.length-len(kept), true, h.fin, true
	return nil
}

// unpack replaces what a compressed message's bytes say by what is in them.
func (d *Decoder) unpack() error {
	if d.keep {
		d.msg.Payload = d.packed
	}
	if !d.zip {
		return nil
	}
	d.zip = false
	err := d.inflate.open(d.packed, &d.msg)
	d.forget()
	return err
}

// forget lets go of a big message that is complete: few clients wait for one at a time, so what one needed is not kept.
func (d *Decoder) forget() {
	if cap(d.packed) > 4<<10 && !d.open {
		d.packed = nil
	}
}
