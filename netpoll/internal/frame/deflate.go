package frame

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/klauspost/compress/flate"
)

// permessage-deflate (RFC 7692) without context takeover: each message is compressed by itself. So
// an idle connection keeps no window, and one compressed frame serves all receivers that negotiated
// the same window. The compressor is klauspost's, because the one of the standard library cannot
// limit its window, and a client may ask for a small one.

// Compressors take about 1 MB each and decompressors 40 KB. A few of them in pools serve all
// connections.
var (
	compressors = sync.Pool{New: func() any {
		return wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
			f, _ := flate.NewWriter(w, flate.BestSpeed) // no error for a known level
			return f
		})
	}}
	smallCompressors = sync.Pool{New: func() any {
		return wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
			f, _ := flate.NewWriterWindow(w, 1<<8) // no error for a size in range
			return f
		})
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}
	outputs   = sync.Pool{New: func() any { return new(Compressed) }}
)

// Compressed is the payload of a compressed frame. Its memory belongs to a pool.
type Compressed struct{ buf bytes.Buffer }

// Bytes returns the payload. It is valid until Free.
func (c *Compressed) Bytes() []byte { return c.buf.Bytes() }

// Free gives the memory back.
func (c *Compressed) Free() { outputs.Put(c) }

// Compress compresses a message with a window of 32 KiB, or of 256 bytes if small is set. It
// returns nil if the result is not shorter than the message. The caller calls Free on the result.
func Compress(data []byte, small bool) *Compressed {
	pool := &compressors
	if small {
		pool = &smallCompressors
	}
	w := pool.Get().(*wsflate.Writer)
	defer pool.Put(w)
	c := outputs.Get().(*Compressed)
	c.buf.Reset()
	w.Reset(&c.buf)
	if _, err := w.Write(data); err != nil || w.Flush() != nil || c.buf.Len() >= len(data) {
		c.Free()
		return nil
	}
	return c
}

// AppendCompressed appends a compressed frame. It returns nil if compression does not make the
// message shorter.
func AppendCompressed(dst []byte, op ws.OpCode, data []byte, small bool) []byte {
	c := Compress(data, small)
	if c == nil {
		return nil
	}
	defer c.Free()
	return append(AppendHeader(dst, op, true, c.buf.Len()), c.Bytes()...)
}

// deflateTail completes the stream of a message: the bytes that the sender cut off, and an empty
// last block for a clean end of stream (RFC 7692, section 7.2.2). wsflate.Reader would add it too,
// but its ReadByte inserts a zero byte before it.
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

// Inflate appends the content of a compressed message. If that is more than max bytes it stops and
// returns ErrTooBig: 60 KB may stand for 60 MB. The content so far is returned with each error.
func Inflate(dst, data []byte, max int) ([]byte, *Error) {
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
			return dst, ErrTooBig
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, errDeflate
		}
	}
}
