package netpoll

import (
	mathbits "math/bits"
	"sync"
)

// segment is one piece of contiguous memory of a log. Frames are appended behind what
// cuts refer to, so nobody's bytes ever move or change.
//
// A log that lets go of a segment gives it to a pool, from which the next log takes it:
// a message to a quiet room, which would else have a segment of its own made for it,
// allocates nothing. Three may still read a segment's bytes then, and each of them
// prevents that:
//
//   - a queue that refers to it: it is counted (buffer.holders);
//   - a write that was begun before its queue was dropped: dropOutputLocked sets
//     buffer.keep;
//   - a connection of another server: retain sets buffer.keep.
//
// The collector frees what is not given back. A cut that somebody else still has is
// excluded by the contract of Log.Forget.
type segment struct {
	buffer
	base  uint64 // position of its first byte
	marks []int  // boundaries of frames, markEvery bytes apart or less
	next  *segment
}

// Segments are pooled by size. There are four sizes between a power of two and the next,
// so that at most a fifth of a large frame's segment is not used.
const (
	sizeSteps   = 2       // bits
	numSegSizes = 4*9 + 5 // nine octaves above segMin
)

var segments [numSegSizes]sync.Pool

// segSize is the least size of a segment that has room for n bytes, and its place in
// segments; -1: it is larger than those that are pooled.
func segSize(n int) (size, class int) {
	if n > segMax {
		return n, -1
	}
	n = max(n, segMin)
	shift := mathbits.Len(uint(n-1)) - 1 - sizeSteps
	steps := (n-1)>>shift + 1 // 5 to 8 of them
	octave := shift + 1 + sizeSteps - mathbits.Len(uint(segMin-1))
	return steps << shift, octave<<sizeSteps + steps - 4
}

// newSegment is an empty segment with room for n bytes.
func newSegment(n int) *segment {
	size, class := segSize(n)
	if class >= 0 {
		if seg, ok := segments[class].Get().(*segment); ok {
			return seg
		}
	}
	seg := new(segment)
	seg.b = make([]byte, 0, size)
	seg.size = bufferCost + size
	return seg
}

// recycle gives a segment back that its log has let go of.
func (seg *segment) recycle() {
	size, class := segSize(cap(seg.b))
	seg.next = nil
	if class < 0 || size != cap(seg.b) || seg.holders.Load() > 0 || seg.keep.Load() {
		return
	}
	seg.b, seg.marks, seg.base = seg.b[:0], seg.marks[:0], 0
	seg.home.Store(nil)
	segments[class].Put(seg)
}
