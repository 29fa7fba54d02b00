package netpoll

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/klauspost/compress/flate"
)

// permessage-deflate (RFC 7692) without context takeover: each message stands
// alone, so that an idle connection keeps no window, and one compressed frame
// serves every receiver of a variant. The compressor is klauspost's because
// the standard library's cannot limit its window, which a client may ask for.

// Compressors take about 1 MB each and decompressors 40 KB; a handful in pools
// serves all.
var deflaters = [NumVariants]sync.Pool{
	Deflate: {New: func() any {
		return wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
			f, _ := flate.NewWriter(w, flate.BestSpeed) // no error for a known level
			return f
		})
	}},
	DeflateSmall: {New: func() any {
		return wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
			f, _ := flate.NewWriterWindow(w, 1<<8) // no error for a size in range
			return f
		})
	}},
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// deflateTail ends a message's stream: the bytes that the sender cut off, and
// an empty last block, for a clean end of stream (RFC 7692, section 7.2.2).
// wsflate.Reader would add it, but its ReadByte inserts a zero byte before.
const deflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// tailed reads data, then deflateTail.
type tailed struct {
	data []byte
	tail string
}

func (t *tailed) ReadByte() (b byte, err error) {
	switch {
	case len(t.data) > 0:
		b, t.data = t.data[0], t.data[1:]
	case len(t.tail) > 0:
		b, t.tail = t.tail[0], t.tail[1:]
	default:
		return 0, io.EOF
	}
	return b, nil
}

func (t *tailed) Read(p []byte) (n int, err error) {
	n = copy(p, t.data)
	t.data = t.data[n:]
	m := copy(p[n:], t.tail)
	t.tail = t.tail[m:]
	if n += m; n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// deflate writes a message to out as a compressed frame has it; false if it would not be
// shorter.
func deflate(out *bytes.Buffer, data []byte, v Variant) bool {
	w := deflaters[v].Get().(*wsflate.Writer)
	defer deflaters[v].Put(w)
	out.Reset()
	w.Reset(out)
	if _, err := w.Write(data); err != nil {
		return false
	}
	return w.Flush() == nil && out.Len() < len(data)
}

// appendDeflated appends a compressed frame; nil if it would not be shorter.
func appendDeflated(dst []byte, op ws.OpCode, data []byte, v Variant) []byte {
	out := deflated.Get().(*bytes.Buffer)
	defer deflated.Put(out)
	if !deflate(out, data, v) {
		return nil
	}
	return append(appendHeader(dst, op, true, out.Len()), out.Bytes()...)
}

// deflated are buffers for messages whose compressed length is not known yet.
var deflated = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// inflate appends what a compressed message inflates to, max bytes at most.
// The bound holds while inflating: 60 KB may stand for 60 MB.
func inflate(dst, data []byte, max int) ([]byte, *protocolError) {
	r := inflaters.Get().(io.Reader)
	defer inflaters.Put(r)
	r.(flate.Resetter).Reset(&tailed{data, deflateTail}, nil)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > max:
			return dst, errTooBig
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, errDeflate
		}
	}
}

// inflateEvent replaces a compressed event's data by what it inflates to, in
// the worker's memory. With small it leaves the event as it is if that is more than
// largeMessage.
func (w *worker) inflateEvent(ev *event, max int, small bool) *protocolError {
	most := max
	if small {
		most = min(max, largeMessage)
	}
	out, err := inflate(w.inflate[:0], ev.data, most)
	w.cost.Inflated += len(out) // whatever comes of it
	if err == errTooBig && most < max {
		return nil
	}
	if err != nil {
		return err
	}
	ev.data, ev.compressed = out, false
	// A large message's memory is not kept: idle workers are idle memory too.
	if w.inflate = out; cap(out) > readSize {
		w.inflate = nil
	}
	ev.own = w.inflate == nil
	if ev.op == ws.OpText && !utf8.Valid(out) {
		return errUTF8
	}
	return nil
}

// negotiation is what becomes of the client's offers of extensions, which take gets
// one by one, in the client's order of preference: the first permessage-deflate that
// we can do is accepted. wsflate.Extension would fail the handshake at an offer with
// an unknown parameter; RFC 7692 (section 7) wants that offer declined, and the next
// looked at.
type negotiation struct {
	accepted bool
	small    bool
	bits     wsflate.WindowBits // of the window that the client asked for; 0: it did not
}

func (n *negotiation) take(o httphead.Option) {
	var p wsflate.Parameters
	if n.accepted || string(o.Name) != wsflate.ExtensionName || irregular(&o) || p.Parse(o) != nil {
		return
	}
	n.accepted, n.bits = true, p.ServerMaxWindowBits
	n.small = n.bits.Defined() && n.bits < 15
}

// appendAnswer appends what is accepted. What we answer we keep; what is not in the
// offer must not be answered, except the two "no context takeover", which a server may
// always ask for.
func (n *negotiation) appendAnswer(b []byte) []byte {
	b = append(b, wsflate.ExtensionName+";server_no_context_takeover;client_no_context_takeover"...)
	if n.bits.Defined() {
		b = strconv.AppendInt(append(b, ";server_max_window_bits="...), int64(n.bits), 10)
	}
	return b
}

// irregular finds what wsflate's parser overlooks: two parameters of one name, of
// which it keeps the last, and numbers with a leading zero.
func irregular(o *httphead.Option) (bad bool) {
	const most = 4 // parameters that there are
	var seen [most][]byte
	n := 0
	o.Parameters.ForEach(func(k, v []byte) bool {
		bad = n == most || len(v) > 0 && v[0] == '0' ||
			slices.ContainsFunc(seen[:n], func(s []byte) bool { return bytes.Equal(s, k) })
		if !bad {
			seen[n] = k
			n++
		}
		return !bad
	})
	return bad
}
