package encode

import (
	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
)

// Log is a stream of encoded frames that many connections get: a room's side of a broadcast. A
// sweep takes all pending frames as one contiguous Cut and offers it to each member with one write.
// A member with a full socket keeps a reference, not a copy.
//
// A position is a count of bytes since the log's beginning, and always lies between two frames. A
// Log is not safe for concurrent use: its owner, a room, guards it. Cuts are safe, and outlive the
// log.
//
// The memory of a log is reused by any log: see Forget and output.Segment.
type Log struct {
	variant Variant
	first   *output.Segment // the oldest; nil: nothing is held
	last    *output.Segment
	end     uint64 // position behind the last frame
	size    int    // of the next segment
	calm    uint64 // the end when nothing was held last
}

const (
	// MaxCut is the most bytes of one Cut, unless a single frame is larger. One sweep writes a Cut
	// to each member.
	MaxCut    = 64 << 10
	markEvery = MaxCut / 4
	// Segments grow with the traffic, so that a busy log's cuts rarely end at
	// a segment's end, and a quiet log holds little.
	segMin = 512
	segMax = 256 << 10
)

// NewLog makes an empty log for the connections of one variant.
func NewLog(v Variant) *Log {
	return &Log{variant: v, size: segMin}
}

// Append encodes a message, once for all receivers. op is ws.OpText (data must be UTF-8; it is not
// checked again) or ws.OpBinary. data may be reused. A message of less than min bytes stays plain.
func (l *Log) Append(op ws.OpCode, data []byte, min int) {
	as(l.variant, min, data, func(compressed bool, payload []byte) { l.append(op, compressed, payload) })
}

// append adds a frame.
func (l *Log) append(op ws.OpCode, compressed bool, payload []byte) {
	n := frame.HeaderLen(len(payload)) + len(payload)
	seg := l.reserve(n)
	seg.B = append(frame.AppendHeader(seg.B, op, compressed, len(payload)), payload...)
	l.end += uint64(n)
	// The last mark follows the end while the stretch it ends stays short.
	at, k := len(seg.B), len(seg.Marks)
	if k > 0 && at-markBefore(seg, k-1) <= markEvery {
		seg.Marks[k-1] = at
		return
	}
	seg.Marks = append(seg.Marks, at)
}

// reserve returns the last segment, one with room for n more bytes.
func (l *Log) reserve(n int) *output.Segment {
	if l.last != nil {
		if cap(l.last.B)-len(l.last.B) >= n {
			return l.last
		}
		l.size = min(2*l.size, segMax)
	}
	seg := output.NewSegment(max(l.size, n))
	seg.Base = l.end
	if l.last == nil {
		l.first = seg
	} else {
		l.last.Next = seg
	}
	l.last = seg
	return seg
}

// markBefore is where the stretch that ends at mark i begins.
func markBefore(seg *output.Segment, i int) int {
	if i == 0 {
		return 0
	}
	return seg.Marks[i-1]
}

// End is the position behind the last frame.
func (l *Log) End() uint64 { return l.end }

// Next returns the frames from a position on, as many as lie together in about
// MaxCut bytes. The cut is empty if nothing is pending.
func (l *Log) Next(from uint64) Cut {
	for seg := l.first; seg != nil; seg = seg.Next {
		if from < seg.Base || from >= seg.Base+uint64(len(seg.B)) {
			continue
		}
		at, to := int(from-seg.Base), 0
		for _, m := range seg.Marks {
			if m > at && (to == 0 || m-at <= MaxCut) {
				to = m
			}
		}
		b := seg.B[at:to:to]
		return Cut{Buf: &seg.Buffer, Bytes: b, from: from, Messages: frame.Count(b)}
	}
	return Cut{}
}

// Forget frees the segments that lie wholly before a position, which all cursors have passed. It
// frees all of them once nothing is pending, so that a quiet log holds only the memory that slow
// connections refer to. The memory is reused, so a cut that ends before the position must be
// neither offered nor read any more.
func (l *Log) Forget(before uint64) {
	for seg := l.first; seg != nil && seg.Base+uint64(len(seg.B)) <= before; seg = l.first {
		l.first, seg.Next = seg.Next, nil // or a queue would keep those behind it
		seg.Leave()
	}
	if l.first == nil && l.last != nil {
		if l.end-l.calm < uint64(l.size/4) {
			l.size = max(l.size/2, segMin)
		}
		l.last, l.calm = nil, l.end
	}
}

// A Cut is a stretch of whole frames of a log, contiguous in memory. It stays
// good until its log is told to forget it (Log.Forget), and where a connection has
// queued it until that has written it.
type Cut struct {
	Buf      *output.Buffer // the memory of Bytes; nil: the cut is empty
	Bytes    []byte
	Messages int // frames
	from     uint64
}

// End is the position behind the cut.
func (c Cut) End() uint64 { return c.from + uint64(len(c.Bytes)) }

// After returns the part of the cut that lies behind a position, which must be
// between two frames: all of it, some, or nothing.
func (c Cut) After(pos uint64) Cut {
	switch {
	case pos <= c.from:
		return c
	case pos >= c.End():
		return Cut{}
	}
	c.Bytes = c.Bytes[pos-c.from:]
	c.from = pos
	c.Messages = frame.Count(c.Bytes)
	return c
}
