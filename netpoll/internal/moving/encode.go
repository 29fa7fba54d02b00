package moving

import "webim/netpoll/snapshot"

// Append writes the connection down.
func (c *Conn) Append(e *snapshot.Encoder) {
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
	for _, b := range c.Output.Frames {
		e.Item(40, b)
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
