package netpoll

import (
	"sync"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
)

// Variant names one of the encodings that a frame goes out in. A broadcast is
// made once per variant in use, never once per client.
type Variant uint8

const (
	// Plain is not compressed.
	Plain Variant = iota
	// Deflate is compressed with a window of 32 KiB.
	Deflate
	// DeflateSmall is compressed with a window of 256 bytes, for the rare
	// client that asked for server_max_window_bits below 15.
	DeflateSmall
	// NumVariants is their number.
	NumVariants
)

// buffer is encoded output that several queues may refer to: a frame, or a segment of a log. Its
// bytes are immutable; a log only appends behind the bytes that queues refer to. Only queues count
// their references, because a slow reader makes only queues hold memory. holders is the number of
// queues that hold the buffer. While it is not zero, the size counts once in the server's total.
type buffer struct {
	b       []byte
	size    int // of the memory, for the total
	holders atomic.Int32
	home    atomic.Pointer[Server] // the server in whose total the size counts once: that of the first queue
	keep    atomic.Bool            // the bytes must not be reused, even with no holders: see segment.go
	seg     *segment               // that it is; nil: it is a frame of its own, and not pooled
	users   atomic.Int32           // of a segment: its log or its sender, and the queues that hold it
}

// bufferCost is the memory of a queued frame besides its bytes: the buffer, the Frame that it is
// part of, and the reference.
const bufferCost = 160

func newBuffer(b []byte) *buffer { return &buffer{b: b, size: bufferCost + cap(b)} }

// refSize is the memory of a reference, in each queue.
const refSize = int64(unsafe.Sizeof(ref{}))

// retain counts one more queue that holds the buffer.
func (s *Server) retain(b *buffer) {
	n := refSize
	if b.seg != nil {
		b.users.Add(1)
	}
	if b.home.CompareAndSwap(nil, s); b.home.Load() != s {
		n += int64(b.size) // of another server: its counts say nothing here
		b.keep.Store(true)
	} else if b.holders.Add(1) == 1 {
		n += int64(b.size)
	}
	s.hold(n)
}

// release counts one queue less. After that the buffer may belong to others: its log may give it to
// the pool at once. So release reads the fields that it needs before.
func (s *Server) release(b *buffer) {
	n, size, seg := refSize, int64(b.size), b.seg
	if b.home.Load() != s || b.holders.Add(-1) == 0 {
		n += size
	}
	s.hold(-n)
	if seg != nil {
		seg.leave()
	}
}

// hold counts bytes that queues hold; at the bound the evictor closes the connection
// with the largest weight: see weightLocked.
func (s *Server) hold(n int64) {
	if s.queued.Add(n) > s.cfg.MaxQueued && n > 0 {
		s.outputShedder.Wake()
	}
}

// Frame is a text or binary message, encoded once for any number of
// receivers. It is safe for concurrent use and needs no release.
type Frame struct {
	op       ws.OpCode
	payload  []byte // the plain buffer's tail
	plain    buffer
	mu       sync.Mutex
	deflated [NumVariants]*buffer
}

// NewFrame copies data into a frame. op is ws.OpText, then data must be UTF-8,
// or ws.OpBinary; else ErrBadFrame.
func NewFrame(op ws.OpCode, data []byte) (*Frame, error) {
	if op != ws.OpBinary && (op != ws.OpText || !utf8.Valid(data)) {
		return nil, ErrBadFrame
	}
	f := &Frame{op: op}
	n := frame.HeaderLen(len(data)) + len(data)
	f.plain.size = bufferCost + n
	f.plain.b = frame.Append(make([]byte, 0, n), op, data)
	f.payload = f.plain.b[len(f.plain.b)-len(data):]
	return f, nil
}

// variant returns the frame's bytes for a connection. It makes them at the first call. A message of
// less than min bytes, or one that does not shrink, is sent plain: the extension permits that for
// each message (RFC 7692, section 6).
func (f *Frame) variant(v Variant, min int) *buffer {
	if v == Plain || len(f.payload) < min {
		return &f.plain
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deflated[v] == nil {
		f.deflated[v] = &f.plain
		if b := frame.AppendCompressed(nil, f.op, f.payload, v == DeflateSmall); b != nil {
			f.deflated[v] = newBuffer(b)
		}
	}
	return f.deflated[v]
}

// encodeControl makes a ping, pong or close frame of at most 125 bytes.
func encodeControl(op ws.OpCode, payload []byte) *buffer {
	return newBuffer(frame.Append(make([]byte, 0, 2+len(payload)), op, payload))
}

// encodeClose makes a Close frame; see frame.AppendClose.
func encodeClose(code ws.StatusCode, reason string) *buffer {
	return newBuffer(frame.AppendClose(nil, code, reason))
}

// pingBuffer is the heartbeat's ping, the same for all.
var pingBuffer = newBuffer(ws.CompiledPing)
