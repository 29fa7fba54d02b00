package netpoll

import (
	"bytes"
	"errors"
	"io"
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

var inflaters = sync.Pool{New: func() any {
	return wsflate.NewReader(nil, func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) })
}}

// appendDeflated appends a compressed frame; nil if it would not be shorter.
func appendDeflated(dst []byte, op ws.OpCode, data []byte, v Variant) []byte {
	w := deflaters[v].Get().(*wsflate.Writer)
	defer deflaters[v].Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	if _, err := w.Write(data); err != nil {
		return nil
	}
	if err := w.Flush(); err != nil || out.Len() >= len(data) {
		return nil
	}
	dst = appendHeader(dst, op, true, out.Len())
	return append(dst, out.Bytes()...)
}

// inflate appends what a compressed message inflates to, max bytes at most.
// The bound holds while inflating: 60 KB may stand for 60 MB.
func inflate(dst, data []byte, max int) ([]byte, *protocolError) {
	r := inflaters.Get().(*wsflate.Reader)
	defer inflaters.Put(r)
	r.Reset(bytes.NewReader(data))
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
// the worker's memory.
func (w *worker) inflateEvent(ev *event, max int) *protocolError {
	out, err := inflate(w.inflate[:0], ev.data, max)
	if err != nil {
		return err
	}
	ev.data = out
	// A large message's memory is not kept: idle workers are idle memory too.
	if w.inflate = out; cap(out) > readSize {
		w.inflate = nil
	}
	if ev.op == ws.OpText && !utf8.Valid(out) {
		return errUTF8
	}
	return nil
}

// negotiation takes the client's offers of extensions one by one, in its order
// of preference, and accepts the first permessage-deflate that we can do.
// wsflate.Extension would fail the handshake at an offer with an unknown
// parameter; RFC 7692 (section 7) wants that offer declined, and the next
// looked at.
type negotiation struct {
	accepted bool
	small    bool
}

func (n *negotiation) offer(o httphead.Option) (answer httphead.Option, err error) {
	var p wsflate.Parameters
	if n.accepted || string(o.Name) != wsflate.ExtensionName || duplicateParameter(o) || p.Parse(o) != nil {
		return httphead.Option{}, nil
	}
	n.accepted = true
	// What we answer we keep; what is not in the offer must not be answered,
	// but for the two "no context takeover", which a server may always ask.
	answer = wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}.Option()
	if bits := p.ServerMaxWindowBits; bits.Defined() {
		n.small = bits < 15
		answer.Parameters.Set([]byte("server_max_window_bits"), []byte(strconv.Itoa(int(bits))))
	}
	return answer, nil
}

// duplicateParameter finds what wsflate's parser overlooks: httphead keeps the
// last of two parameters of one name.
func duplicateParameter(o httphead.Option) bool {
	seen := map[string]bool{}
	dup := false
	o.Parameters.ForEach(func(k, _ []byte) bool {
		dup = dup || seen[string(k)]
		seen[string(k)] = true
		return !dup
	})
	return dup
}
