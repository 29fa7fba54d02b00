package output

import (
	"sync/atomic"
	"unsafe"
)

// Buffer is encoded output that several queues may refer to: a frame, or a segment of a log. Its
// bytes are immutable; a log only appends behind the bytes that queues refer to. Only queues count
// their references, because a slow reader makes only queues hold memory. holders is the number of
// queues that hold the buffer. While it is not zero, the size counts once in the total.
type Buffer struct {
	B       []byte
	size    int // of the memory, for the total
	holders atomic.Int32
	home    atomic.Pointer[Total] // in which the size counts once: that of the first queue
	keep    atomic.Bool           // the bytes must not be reused, even with no holders: see Segment
	seg     *Segment              // that it is; nil: it is a frame of its own, and not pooled
	users   atomic.Int32          // of a segment: its log or its sender, and the queues that hold it
}

// BufferCost is the memory of a queued frame besides its bytes: the buffer, the frame that it is
// part of, and the reference.
const BufferCost = 160

// NewBuffer makes a buffer of bytes that do not change any more.
func NewBuffer(b []byte) *Buffer {
	buf := new(Buffer)
	buf.Init(b)
	return buf
}

// Init is NewBuffer for a buffer that is part of another value.
func (b *Buffer) Init(bytes []byte) { b.B, b.size = bytes, BufferCost+cap(bytes) }

// Size returns the bytes that the buffer adds to a total, once.
func (b *Buffer) Size() int { return b.size }

// Shared reports whether queues refer to the buffer more than once.
func (b *Buffer) Shared() bool { return b.holders.Load() > 1 }

// Ref is a stretch of a shared buffer that is still to be written.
type Ref struct {
	Buf *Buffer
	B   []byte
}

// Offset returns the number of bytes of the buffer before the stretch, which is not empty.
func (r Ref) Offset() int {
	return int(uintptr(unsafe.Pointer(&r.B[0])) - uintptr(unsafe.Pointer(&r.Buf.B[0])))
}

// RefSize is the memory of a reference, in each queue.
const RefSize = int64(unsafe.Sizeof(Ref{}))

// retain counts one more queue that holds the buffer.
func (t *Total) retain(b *Buffer) {
	n := RefSize
	if b.seg != nil {
		b.users.Add(1)
	}
	if b.home.CompareAndSwap(nil, t); b.home.Load() != t {
		n += int64(b.size) // of another server: its counts say nothing here
		b.keep.Store(true)
	} else if b.holders.Add(1) == 1 {
		n += int64(b.size)
	}
	t.Add(n)
}

// release counts one queue less. After that the buffer may belong to others: its log may give it to
// the pool at once. So release reads the fields that it needs before.
func (t *Total) release(b *Buffer) {
	n, size, seg := RefSize, int64(b.size), b.seg
	if b.home.Load() != t || b.holders.Add(-1) == 0 {
		n += size
	}
	t.Add(-n)
	if seg != nil {
		seg.Leave()
	}
}
