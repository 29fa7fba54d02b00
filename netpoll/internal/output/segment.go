package output

import (
	mathbits "math/bits"
	"sync"
)

// Segment is one piece of contiguous memory of a log. Frames are appended to B behind the bytes that
// queues refer to, so bytes that anybody reads never move or change.
//
// A segment is used by its log, until the log leaves it, and by each queue that refers to it. The
// last of them gives it to a pool, from which the next log takes it. So a message to a quiet room,
// which would otherwise need a new segment, allocates nothing. Two kinds of readers may still read
// the bytes of a segment then, and Buffer.keep keeps it out of the pool for each of them:
//
// - a write that was begun before its queue was dropped: Queue.Drop sets keep;
// - a connection of another server: retain sets keep.
//
// A message to only one connection lies in a segment, too. Its sender uses it in place of a log.
//
// The garbage collector frees segments that are not given back.
type Segment struct {
	Buffer

	// Base, Marks and Next belong to the log. They are empty in a new segment.
	Base  uint64 // position of the first byte
	Marks []int  // boundaries of frames
	Next  *Segment
}

// MaxSegment is the size of the largest segment that is pooled: enough for a reply of a megabyte. A
// client can ask for many such replies, and if each had fresh memory, the collector would run fifty
// times a second and the kernel would clear every page.
const MaxSegment = 2 << 20

// Segments are pooled by size. There are four sizes between a power of two and the next,
// so that at most a fifth of a large frame's segment is not used.
const (
	sizeSteps   = 2        // bits
	numSegSizes = 4*15 + 5 // fifteen octaves above segLeast
	segLeast    = 64
)

var segments [numSegSizes]sync.Pool

// segSize returns the least size of a segment that has room for n bytes, and its index in segments;
// -1 for a segment that is too large for a pool.
func segSize(n int) (size, class int) {
	if n > MaxSegment {
		return n, -1
	}
	n = max(n, segLeast)
	shift := mathbits.Len(uint(n-1)) - 1 - sizeSteps
	steps := (n-1)>>shift + 1 // 5 to 8 of them
	octave := shift + 1 + sizeSteps - mathbits.Len(uint(segLeast-1))
	return steps << shift, octave<<sizeSteps + steps - 4
}

// NewSegment returns an empty segment with room for n bytes. The caller is its first user.
func NewSegment(n int) *Segment {
	size, class := segSize(n)
	if class >= 0 {
		if seg, ok := segments[class].Get().(*Segment); ok {
			seg.users.Store(1)
			return seg
		}
	}
	seg := new(Segment)
	seg.seg = seg
	seg.users.Store(1)
	seg.Init(make([]byte, 0, size))
	return seg
}

// Leave ends a use of the segment, the last of which gives it to the pool.
func (seg *Segment) Leave() {
	if seg.users.Add(-1) == 0 {
		seg.recycle()
	}
}

// Users returns the number of the segment's users.
func (seg *Segment) Users() int { return int(seg.users.Load()) }

// recycle gives a segment to the pool that nobody uses any more.
func (seg *Segment) recycle() {
	size, class := segSize(cap(seg.B))
	if class < 0 || size != cap(seg.B) || seg.keep.Load() {
		return
	}
	seg.B, seg.Marks, seg.Base = seg.B[:0], seg.Marks[:0], 0
	seg.home.Store(nil)
	segments[class].Put(seg)
}
