package frame

import "github.com/gobwas/ws"

// An Event is a whole message (text or binary) or a whole control frame. Op 0 is no event: the
// Decoder needs more bytes. Data lies in the Decoder's input or in its own memory, and is valid
// until the next call of Next.
type Event struct {
	Op         ws.OpCode
	Compressed bool // Data is still compressed, and text is not yet checked
	Data       []byte
	Own        bool // nothing else uses the memory of Data: the caller may keep it
}

// Limits bound a message.
type Limits struct {
	MaxMessage   int  // bytes of its payload, as it arrives
	MaxFragments int  // frames, empty ones too
	Deflate      bool // permessage-deflate is negotiated: messages may be compressed
}

// A Decoder keeps the unfinished message between two reads. Between two messages it is idle, and
// its caller need not keep it at all. It does not keep the bytes of an unfinished header or control
// frame: the caller offers them again, with more bytes behind them. The zero value is idle. A
// Decoder is not safe for concurrent use.
type Decoder struct {
	op         ws.OpCode // of the unfinished message; 0: none
	compressed bool
	fin        bool // the current frame is the message's last
	inFrame    bool // the header of a frame is read, its payload is not complete
	mask       [4]byte
	maskPos    int    // payload bytes of the current frame that have arrived
	left       int    // payload bytes of the current frame that have not
	fragments  int    // frames of the unfinished message
	body       []byte // its payload so far, unmasked
	checked    int    // body[:checked] is valid UTF-8
}

// Idle reports whether no message is unfinished.
func (d *Decoder) Idle() bool { return d.op == 0 }

// Held is the memory in bytes that the unfinished message takes.
func (d *Decoder) Held() int { return cap(d.body) }

// Next takes one frame, or a part of one, from the start of b, and unmasks it in place. It returns
// the number of bytes that it has used. If that is 0 and there is neither an event nor an error, it
// needs more bytes behind these; until then the caller calls it again with the rest of b. The work
// is linear in the bytes used, plus one header.
func (d *Decoder) Next(b []byte, lim Limits) (ev Event, n int, err *Error) {
	if !d.inFrame {
		h, hn, err := parseHeader(b)
		if err != nil || hn == 0 {
			return Event{}, 0, err
		}
		if err := checkHeader(h, d.op != 0, lim.Deflate); err != nil {
			return Event{}, 0, err
		}
		if h.OpCode.IsControl() {
			return controlFrame(h, b, hn)
		}
		// Compared as uint64 before any addition: a length near 2^63 must not
		// wrap into something small.
		if uint64(h.Length) > uint64(max(0, lim.MaxMessage-len(d.body))) {
			return Event{}, 0, ErrTooBig
		}
		length := int(h.Length)
		if d.op == 0 && h.Fin && len(b) >= hn+length {
			return wholeMessage(h, b[hn:hn+length], hn)
		}
		if d.fragments++; d.fragments > lim.MaxFragments {
			return Event{}, 0, errTooManyPieces
		}
		if h.OpCode != ws.OpContinuation {
			d.op, d.compressed = h.OpCode, h.Rsv == rsv1
		}
		d.fin, d.inFrame = h.Fin, true
		d.mask, d.maskPos, d.left = h.Mask, 0, length
		b, n = b[hn:], hn
	}
	used, err := d.payload(b)
	n += used
	if err != nil || d.left > 0 {
		return Event{}, n, err
	}
	d.inFrame = false
	if !d.fin {
		return Event{}, n, nil
	}
	ev = Event{Op: d.op, Compressed: d.compressed, Data: d.body, Own: true}
	if d.op == ws.OpText && !d.compressed && d.checked != len(d.body) {
		return Event{}, n, ErrUTF8 // ends inside a sequence
	}
	*d = Decoder{}
	return ev, n, nil
}

// payload moves payload of the current frame from b to the body and unmasks it.
func (d *Decoder) payload(b []byte) (n int, err *Error) {
	n = min(d.left, len(b))
	d.grow(n)
	at := len(d.body)
	d.body = append(d.body, b[:n]...)
	ws.Cipher(d.body[at:], d.mask, d.maskPos)
	d.maskPos += n
	d.left -= n
	if d.op == ws.OpText && !d.compressed {
		m, ok := validPrefix(d.body[d.checked:])
		if !ok {
			return n, ErrUTF8
		}
		d.checked += m
	}
	return n, nil
}

// grow makes room for n more bytes. It allocates at most twice the number of bytes that have
// arrived, whatever length a header announces, so that a header alone takes no memory.
func (d *Decoder) grow(n int) {
	need := len(d.body) + n
	if need <= cap(d.body) {
		return
	}
	c := 2 * need
	if d.fin {
		c = max(need, min(c, len(d.body)+d.left)) // no more can come
	}
	body := make([]byte, len(d.body), c)
	copy(body, d.body)
	d.body = body
}

// controlFrame takes a ping, pong or close frame. Control frames are small, so it takes them only
// when they are complete.
func controlFrame(h ws.Header, b []byte, hn int) (Event, int, *Error) {
	end := hn + int(h.Length)
	if len(b) < end {
		return Event{}, 0, nil
	}
	p := b[hn:end:end]
	ws.Cipher(p, h.Mask, 0)
	return Event{Op: h.OpCode, Data: p}, end, nil
}

// wholeMessage is the common case: a message of one frame, which has arrived completely. It copies
// nothing.
func wholeMessage(h ws.Header, p []byte, hn int) (Event, int, *Error) {
	ws.Cipher(p, h.Mask, 0)
	ev := Event{Op: h.OpCode, Compressed: h.Rsv == rsv1, Data: p[:len(p):len(p)]}
	if ev.Op == ws.OpText && !ev.Compressed {
		if n, ok := validPrefix(p); !ok || n != len(p) {
			return Event{}, hn, ErrUTF8
		}
	}
	return ev, hn + len(p), nil
}
