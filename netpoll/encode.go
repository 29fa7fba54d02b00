package netpoll

import (
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
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

// Frame is a text or binary message, encoded once for any number of
// receivers. It is safe for concurrent use and needs no release.
type Frame struct {
	op       ws.OpCode
	payload  []byte // the plain buffer's tail
	plain    output.Buffer
	mu       sync.Mutex
	deflated [NumVariants]*output.Buffer
}

// NewFrame copies data into a frame. op is ws.OpText, then data must be UTF-8,
// or ws.OpBinary; else ErrBadFrame.
func NewFrame(op ws.OpCode, data []byte) (*Frame, error) {
	if op != ws.OpBinary && (op != ws.OpText || !utf8.Valid(data)) {
		return nil, ErrBadFrame
	}
	f := &Frame{op: op}
	n := frame.HeaderLen(len(data)) + len(data)
	f.plain.Init(frame.Append(make([]byte, 0, n), op, data))
	f.payload = f.plain.B[n-len(data):]
	return f, nil
}

// variant returns the frame's bytes for a connection. It makes them at the first call. A message of
// less than min bytes, or one that does not shrink, is sent plain: the extension permits that for
// each message (RFC 7692, section 6).
func (f *Frame) variant(v Variant, min int) *output.Buffer {
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

// encodeControl makes a ping, pong or close frame of at most 125 bytes.
func encodeControl(op ws.OpCode, payload []byte) *output.Buffer {
	return output.NewBuffer(frame.Append(make([]byte, 0, 2+len(payload)), op, payload))
}

// encodeClose makes a Close frame; see frame.AppendClose.
func encodeClose(code ws.StatusCode, reason string) *output.Buffer {
	return output.NewBuffer(frame.AppendClose(nil, code, reason))
}

// pingBuffer is the heartbeat's ping, the same for all.
var pingBuffer = output.NewBuffer(ws.CompiledPing)

// encodeAs calls add with the payload of a message in a variant: compressed if the message has min
// bytes or more and becomes shorter. The payload is valid until add returns.
func encodeAs(v Variant, min int, data []byte, add func(compressed bool, payload []byte)) {
	if v != Plain && len(data) >= min {
		if out := frame.Compress(data, v == DeflateSmall); out != nil {
			defer out.Free()
			add(true, out.Bytes())
			return
		}
	}
	add(false, data)
}

// encodeOne is a segment with one frame.
func encodeOne(op ws.OpCode, data []byte, v Variant, min int) (seg *output.Segment) {
	encodeAs(v, min, data, func(compressed bool, payload []byte) {
		seg = output.NewSegment(frame.HeaderLen(len(payload)) + len(payload))
		seg.B = append(frame.AppendHeader(seg.B, op, compressed, len(payload)), payload...)
	})
	return seg
}
