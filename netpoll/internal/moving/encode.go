package moving

import (
	"webim/netpoll/internal/output"
	"webim/netpoll/snapshot"
)

// A Writer writes connections down, in parts. A buffer that several queues hold is written once, before the first of its connections:
// clients of one room that do not read wait for the same frames. The zero value is ready, and writes no buffer.
type Writer struct {
	// Shares says that the reader knows shared buffers. Otherwise each connection has its bytes.
	Shares bool

	part    snapshot.Encoder
	numbers map[*output.Buffer]uint64 // of the buffers that were written, from 1
}

// Conn appends a connection to the part.
func (w *Writer) Conn(c *Conn) {
	for _, r := range c.Output.Refs {
		if !w.Shares || !r.Buf.Shared() || w.numbers[r.Buf] > 0 {
			continue
		}
		if w.numbers == nil {
			w.numbers = make(map[*output.Buffer]uint64)
		}
		w.numbers[r.Buf] = uint64(len(w.numbers) + 1)
		w.part.Item(fieldBuffer, r.Buf.B)
	}
	w.part.Message(fieldConn, func(e *snapshot.Encoder) { c.append(e, w.numbers) })
}

// Part returns the connections since the last Reset. Conn and Reset change its bytes.
func (w *Writer) Part() []byte { return w.part.B }

// Reset begins a new part.
func (w *Writer) Reset() { w.part.B = w.part.B[:0] }

// The fields of a part.
const (
	fieldConn   = 1
	fieldBuffer = 2 // has the next number
)

// append writes the connection down. Buffers with a number are written already.
func (c *Conn) append(e *snapshot.Encoder, numbers map[*output.Buffer]uint64) {
	e.Uint(1, c.ID)
	e.Uint(2, uint64(c.Listener))
	if addr := c.Addr.Addr(); addr.IsValid() {
		e.String(3, addr.String())
	}
	e.Uint(4, uint64(c.Addr.Port()))
	e.Uint(5, uint64(c.Stage))
	e.Uint(6, uint64(c.Flags))
	e.Uint(7, uint64(c.Heartbeat))
	for i, in := range []int64{c.Begun, c.Seen, c.Sent, c.Deadline, c.Due, c.Rest, c.Since} {
		e.Int(8+i, in)
	}
	for i, n := range []uint64{c.BytesIn, c.BytesOut, c.MessagesIn, c.MessagesOut} {
		e.Uint(15+i, n)
	}
	e.String(19, c.Cause)
	e.Uint(20, uint64(c.Code))
	e.String(21, c.Reason)
	c.appendInput(e)
	for _, r := range c.Output.Refs {
		if n := numbers[r.Buf]; n > 0 {
			e.Message(44, func(e *snapshot.Encoder) {
				e.Uint(1, n)
				e.Uint(2, uint64(r.Offset()))
				e.Uint(3, uint64(len(r.B)))
			})
			continue
		}
		e.Item(40, r.B)
	}
	e.Bool(41, c.Output.Cut)
	e.Bytes(42, c.Output.Pong)
	e.Uint(43, uint64(c.Output.Exempt))
	e.Bytes(50, c.Data)
	e.Uint(51, c.RoundTrip)
	e.Uint(52, uint64(c.HighWater))
}

func (c *Conn) appendInput(e *snapshot.Encoder) {
	e.Bytes(22, c.Unread)
	e.Uint(23, uint64(c.Scanned))
	e.Uint(24, uint64(c.Lines))
	m := &c.Message
	e.Uint(25, uint64(m.Op))
	e.Bool(26, m.Compressed)
	e.Bool(27, m.Fin)
	e.Bool(28, m.InFrame)
	e.Uint(29, uint64(m.Mask))
	e.Uint(30, uint64(m.MaskPos))
	e.Uint(31, uint64(m.Left))
	e.Uint(32, uint64(m.Fragments))
	e.Bytes(33, m.Body)
	e.Uint(34, uint64(m.Checked))
	e.Uint(35, uint64(c.Kept.Op))
	e.Bool(36, c.Kept.Compressed)
	e.Bytes(37, c.Kept.Data)
}
