package ws

// HeadBytes is the number of payload bytes that a Decoder keeps of each message: the length of a stamp (package stamp).
const HeadBytes = 16

// Event is a whole message or a control frame.
type Event struct {
	Op      byte            // opcode of the message's first frame, or of the control frame
	Len     int             // length of the whole payload
	Head    [HeadBytes]byte // the first bytes of the payload; zero beyond Len
	Payload []byte          // of a control frame, and of a message if the decoder keeps payloads; valid until the next call of Next
}

// Decoder cuts a server's byte stream into events without keeping the payloads: it holds the head of an unfinished frame
// and only counts the bytes that follow. The input may be cut at any byte. The zero value is ready to use. A Decoder
// belongs to one goroutine.
//
//	head (carry holds the bytes so far) ──► body (rest bytes to come) ──► head ...
type Decoder struct {
	Inflater *Inflater // shared by the clients of one thread; nil if compression was not agreed on
	Keep     bool      // keep whole payloads, not only their beginnings; not together with Inflater

	carry      []byte // an unfinished head: the header and the kept part of the payload
	rest       int    // payload bytes of the current frame that are still to come
	body       bool   // the decoder is between the head and the end of a frame
	fin        bool   // the current frame ends its message
	open       bool   // a fragmented message has begun
	kept       int    // bytes in msg.Head
	msg        Event  // the current message
	compressed bool   // the current message is compressed
	Payload    []byte // the bytes of the current message so far, if it is compressed or payloads are kept
}

// Idle reports whether the next byte begins a frame of a new message, so that a caller may read the bytes directly.
func (d *Decoder) Idle() bool { return !d.body && !d.open && len(d.carry) == 0 }

// Next consumes bytes of b until an event is complete or b is empty; n is the number of consumed bytes. Call it again with
// the rest, until n == len(b) and !ok. After an error the stream cannot be decoded any further.
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

// head completes the head of a frame with bytes of b. While bytes are missing, kept is nil; otherwise it aliases b or the
// carry.
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

// headNeed returns the length of the head that begins with p, as far as p shows it.
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

// begin adds the head of a data frame to the current message.
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

// unpack replaces the compressed bytes of a complete message by its content.
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

// Forget releases the buffer of a big message that is complete. Few clients receive a big message at a time, so keeping a
// buffer for each would waste memory.
func (d *Decoder) Forget() {
	if cap(d.Payload) > 4<<10 && !d.open {
		d.Payload = nil
	}
}
