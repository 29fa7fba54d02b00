package unfinished

import (
	"sync/atomic"

	"webim/netpoll/internal/frame"
)

// Part is the state of the decoding between two reads. A worker has it while it runs the turn of a
// connection, and the Input in between. The zero value means that nothing is unfinished.
type Part struct {
	Dec   frame.Decoder // the unfinished message
	Since uint32        // tick when it began
	Ready bool          // the rest may hold a whole frame: decode before reading more
	Again Kept          // a message to deliver before everything else
}

// Kept is a message that the handler gets in a later turn.
type Kept struct {
	frame.Event      // Op 0: none
	Given       bool // the handler has had it, and wants it again
}

// Empty reports whether no message is unfinished, and none kept.
func (p *Part) Empty() bool { return p.Dec.Idle() && p.Again.Op == 0 }

// Input is the bytes that a connection has sent and that cannot be used yet. SetTotal comes first.
type Input struct {
	Part
	Rest    []byte // bytes that are not used: an unfinished head, header or control frame
	Scanned int    // of an HTTP head, how much has been searched
	Lines   int    // of an HTTP head, how many

	total *Total
	held  atomic.Int64 // bytes counted in total
}

// SetTotal sets the Total that counts the input.
func (in *Input) SetTotal(t *Total) { in.total = t }

// Keep stores the state of the decoding, and a copy of the rest. Like all methods that store bytes, it
// reports whether the input of all connections is within the limit.
func (in *Input) Keep(rest []byte, p Part) bool {
	in.Rest = append(in.Rest[:0], rest...)
	in.Part = p
	return in.hold(cap(in.Rest) + in.Dec.Held() + cap(in.Again.Data))
}

// KeepHead stores a copy of an unfinished head.
func (in *Input) KeepHead(b []byte, scanned, lines int) bool {
	in.Rest = append(in.Rest[:0], b...)
	in.Ready, in.Scanned, in.Lines = false, scanned, lines
	return in.hold(cap(in.Rest))
}

// KeepReady stores b, which may hold whole frames or a whole head. The caller does not use b any more.
func (in *Input) KeepReady(b []byte) bool {
	in.Rest, in.Ready = b, true
	return in.hold(cap(b))
}

// HasWork reports whether there is something that can be handled without reading more.
func (in *Input) HasWork() bool { return in.Ready || in.Again.Op != 0 }

// Held returns the number of bytes that are counted for the input.
func (in *Input) Held() int64 { return in.held.Load() }

// Uncount takes the input out of the count, at its end.
func (in *Input) Uncount() { in.hold(0) }

// hold sets the number of bytes that the input holds.
func (in *Input) hold(n int) bool { return in.total.Add(n - int(in.held.Swap(int64(n)))) }
