package encode

import (
	"sync"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
)

// Variant names one of the encodings that a frame goes out in.
type Variant uint8

// The variants.
const (
	Plain        Variant = iota
	Deflate              // compressed with a window of 32 KiB
	DeflateSmall         // compressed with a window of 256 bytes
	numVariants
)

// Frame is a text or binary message, encoded once for any number of receivers. It is safe for concurrent
// use and needs no release. Init makes it.
type Frame struct {
	op       ws.OpCode
	payload  []byte // the plain buffer's tail
	plain    output.Buffer
	mu       sync.Mutex
	deflated [numVariants]*output.Buffer
}

// Init copies a message into the frame, once.
func (f *Frame) Init(op ws.OpCode, data []byte) {
	n := frame.HeaderLen(len(data)) + len(data)
	f.op = op
	f.plain.Init(frame.Append(make([]byte, 0, n), op, data))
	f.payload = f.plain.B[n-len(data):]
}

// Variant returns the frame's bytes in a variant. It makes them at the first call. A message of less than
// min bytes, or one that does not shrink, is plain: the extension permits that for each message (RFC 7692,
// section 6).
func (f *Frame) Variant(v Variant, min int) *output.Buffer {
	if v == Plain || len(f.payload) < min {
		return &f.plain
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deflated[v] == nil {
		f.deflated[v] = &f.plain
		if b := frame.AppendCompressed(nil, f.op, f.payload, v == DeflateSmall); b != nil {
			f.deflated[v] = output.NewBuffer(b)
		}
	}
	return f.deflated[v]
}

// Control makes a ping, pong or close frame of at most 125 bytes.
func Control(op ws.OpCode, payload []byte) *output.Buffer {
	return output.NewBuffer(frame.Append(make([]byte, 0, 2+len(payload)), op, payload))
}

// Close makes a Close frame; see frame.AppendClose.
func Close(code ws.StatusCode, reason string) *output.Buffer {
	return output.NewBuffer(frame.AppendClose(nil, code, reason))
}

// Ping is the heartbeat's ping, the same for all.
var Ping = output.NewBuffer(ws.CompiledPing)

// as calls add with the payload of a message in a variant: compressed if the message has min
// bytes or more and becomes shorter. The payload is valid until add returns.
func as(v Variant, min int, data []byte, add func(compressed bool, payload []byte)) {
	if v != Plain && len(data) >= min {
		if out := frame.Compress(data, v == DeflateSmall); out != nil {
			defer out.Free()
			add(true, out.Bytes())
			return
		}
	}
	add(false, data)
}

// One returns a segment with one frame: a message in a variant, as Frame.Variant describes.
func One(op ws.OpCode, data []byte, v Variant, min int) (seg *output.Segment) {
	as(v, min, data, func(compressed bool, payload []byte) {
		seg = output.NewSegment(frame.HeaderLen(len(payload)) + len(payload))
		seg.B = append(frame.AppendHeader(seg.B, op, compressed, len(payload)), payload...)
	})
	return seg
}
