package netpoll

import "github.com/gobwas/ws"

// An event is what the decoder cuts off the input: a whole message (text or
// binary) or a control frame. The zero op means that more bytes are needed.
// data lies in the input or was the decoder's, and is good until the next call.
type event struct {
	op         ws.OpCode
	compressed bool // data is still deflated, and text not yet checked
	data       []byte
	own        bool // nothing else uses data's memory: it may be kept
	given      bool // the handler has had it, and wants it again
}

// limits bound what one message may be.
type limits struct {
	maxMessage   int
	maxFragments int
	deflate      bool
}

// A decoder holds what must be remembered between two reads: the message that
// is unfinished. Between messages it is idle and is not kept at all; bytes of
// an unfinished header or control frame are not its business but stay with
// the caller, who offers them again with more behind them.
type decoder struct {
	op         ws.OpCode // of the unfinished message; 0: none
	compressed bool
	fin        bool // the current frame is the message's last
	inFrame    bool // a frame's header has been read, its payload not wholly
	mask       [4]byte
	maskPos    int    // payload bytes of the current frame that have arrived
	left       int    // payload bytes of the current frame that have not
	fragments  int    // frames of the unfinished message
	body       []byte // its payload so far, unmasked
	checked    int    // body[:checked] is valid UTF-8
}

// idle reports whether nothing would be lost if the decoder were.
func (d *decoder) idle() bool { return d.op == 0 }

// next takes one frame, or what there is of one, off the head of b, which it
// unmasks in place. It returns how many bytes it has eaten; with none eaten
// and no event, it needs more of them behind these. Who calls it goes on until
// then. Work is linear in the bytes eaten, plus one header.
func (d *decoder) next(b []byte, lim limits) (ev event, n int, err *protocolError) {
	if !d.inFrame {
		h, hn, err := parseHeader(b)
		if err != nil || hn == 0 {
			return event{}, 0, err
		}
		if err := checkHeader(h, d.op != 0, lim.deflate); err != nil {
			return event{}, 0, err
		}
		if h.OpCode.IsControl() {
			return controlFrame(h, b, hn)
		}
		// Compared as uint64 before any addition: a length near 2^63 must not
		// wrap into something small.
		if uint64(h.Length) > uint64(lim.maxMessage-len(d.body)) {
			return event{}, 0, errTooBig
		}
		length := int(h.Length)
		if d.op == 0 && h.Fin && len(b) >= hn+length {
			return wholeMessage(h, b[hn:hn+length], hn)
		}
		if d.fragments++; d.fragments > lim.maxFragments {
			return event{}, 0, errTooManyPieces
		}
		if h.OpCode != ws.OpContinuation {
			d.op, d.compressed = h.OpCode, h.Rsv == rsv1
		}
		d.fin, d.inFrame = h.Fin, true
		d.mask, d.maskPos, d.left = h.Mask, 0, length
		b, n = b[hn:], hn
	}
	eaten, err := d.take(b)
	n += eaten
	if err != nil || d.left > 0 {
		return event{}, n, err
	}
	d.inFrame = false
	if !d.fin {
		return event{}, n, nil
	}
	ev = event{op: d.op, compressed: d.compressed, data: d.body, own: true}
	if d.op == ws.OpText && !d.compressed && d.checked != len(d.body) {
		return event{}, n, errUTF8 // ends inside a sequence
	}
	*d = decoder{}
	return ev, n, nil
}

// take moves payload of the current frame from b to the body and unmasks it.
func (d *decoder) take(b []byte) (n int, err *protocolError) {
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
			return n, errUTF8
		}
		d.checked += m
	}
	return n, nil
}

// grow makes room for n more bytes. It believes the declared length only as
// far as bytes have arrived: never more than twice of those, so that a header
// alone makes nothing large.
func (d *decoder) grow(n int) {
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

// controlFrame cuts off a ping, pong or close frame; they are small, so they
// are taken only when they are whole.
func controlFrame(h ws.Header, b []byte, hn int) (event, int, *protocolError) {
	end := hn + int(h.Length)
	if len(b) < end {
		return event{}, 0, nil
	}
	p := b[hn:end:end]
	ws.Cipher(p, h.Mask, 0)
	return event{op: h.OpCode, data: p}, end, nil
}

// wholeMessage is the common case: one frame, all there. Nothing is copied.
func wholeMessage(h ws.Header, p []byte, hn int) (event, int, *protocolError) {
	ws.Cipher(p, h.Mask, 0)
	ev := event{op: h.OpCode, compressed: h.Rsv == rsv1, data: p[:len(p):len(p)]}
	if ev.op == ws.OpText && !ev.compressed {
		if n, ok := validPrefix(p); !ok || n != len(p) {
			return event{}, hn, errUTF8
		}
	}
	return ev, hn + len(p), nil
}
