package netpoll

import (
	mathbits "math/bits"
	"sync"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
)

// segment is one piece of contiguous memory of a log. Frames are appended behind the bytes that
// cuts refer to, so bytes that anybody reads never move or change.
//
// A segment is used by its log, until the log frees it, and by each queue that refers to it. The
// last of them gives it to a pool, from which the next log takes it. So a message to a quiet room,
// which would otherwise need a new segment, allocates nothing. Two kinds of readers may still read
// the bytes of a segment then, and buffer.keep keeps it out of the pool for each of them:
//
// - a write that was begun before its queue was dropped: dropOutputLocked sets keep;
// - a connection of another server: retain sets keep.
//
// A message to only one connection lies in a segment, too (Conn.pushOne). Its sender uses it in
// place of a log.
//
// The garbage collector frees segments that are not given back. The contract of Log.Forget excludes
// a cut that is still read elsewhere.
type segment struct {
	buffer
	base  uint64 // position of its first byte
	marks []int  // boundaries of frames, markEvery bytes apart or less
	next  *segment
}

// Segments are pooled by size. There are four sizes between a power of two and the next,
// so that at most a fifth of a large frame's segment is not used.
const (
	sizeSteps   = 2        // bits
	numSegSizes = 4*12 + 5 // twelve octaves above segLeast
	segLeast    = 64
)

var segments [numSegSizes]sync.Pool

// segSize returns the least size of a segment that has room for n bytes, and its index in segments;
// -1 for a segment that is too large for a pool.
func segSize(n int) (size, class int) {
	if n > segMax {
		return n, -1
	}
	n = max(n, segLeast)
	shift := mathbits.Len(uint(n-1)) - 1 - sizeSteps
	steps := (n-1)>>shift + 1 // 5 to 8 of them
	octave := shift + 1 + sizeSteps - mathbits.Len(uint(segLeast-1))
	return steps << shift, octave<<sizeSteps + steps - 4
}

// newSegment is an empty segment with room for n bytes; the caller is its first user.
func newSegment(n int) *segment {
	size, class := segSize(n)
	if class >= 0 {
		if seg, ok := segments[class].Get().(*segment); ok {
			seg.users.Store(1)
			return seg
		}
	}
	seg := new(segment)
	seg.seg = seg
	seg.users.Store(1)
	seg.b = make([]byte, 0, size)
	seg.size = bufferCost + size
	return seg
}

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
func encodeOne(op ws.OpCode, data []byte, v Variant, min int) (seg *segment) {
	encodeAs(v, min, data, func(compressed bool, payload []byte) {
		seg = newSegment(frame.HeaderLen(len(payload)) + len(payload))
		seg.b = append(frame.AppendHeader(seg.b, op, compressed, len(payload)), payload...)
	})
	return seg
}

// leave ends a use of the segment, the last of which gives it to the pool.
func (seg *segment) leave() {
	if seg.users.Add(-1) == 0 {
		seg.recycle()
	}
}

// recycle gives a segment to the pool that nobody uses any more.
func (seg *segment) recycle() {
	size, class := segSize(cap(seg.b))
	if class < 0 || size != cap(seg.b) || seg.keep.Load() {
		return
	}
	seg.b, seg.marks, seg.base = seg.b[:0], seg.marks[:0], 0
	seg.home.Store(nil)
	segments[class].Put(seg)
}
