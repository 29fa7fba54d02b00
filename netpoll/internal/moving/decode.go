package moving

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/output"
	"webim/netpoll/snapshot"
)

// A Reader reads the parts of a Writer. The zero value is ready.
type Reader struct {
	conns  []Conn
	shared []*output.Buffer
}

// Parse returns the connections of a part, which are valid until the next call. They keep nothing of b but their Data. A connection
// that cannot be is an error.
func (r *Reader) Parse(b []byte) ([]Conn, error) {
	r.conns = r.conns[:0]
	d := snapshot.Decode(b)
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case fieldBuffer:
			r.shared = append(r.shared, output.NewBuffer(bytes.Clone(d.Bytes())))
		case fieldConn:
			r.conns = append(r.conns, Conn{})
			if err := r.conns[len(r.conns)-1].parse(d.Bytes(), r.shared); err != nil {
				return nil, err
			}
		}
	}
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("moving: connections: %w", err)
	}
	return r.conns, nil
}

// parse reads a connection into c, which is empty.
func (c *Conn) parse(b []byte, shared []*output.Buffer) error {
	var addr netip.Addr
	var port uint16
	d := snapshot.Decode(b)
	for field := d.Next(); field != 0; field = d.Next() {
		switch {
		case field == 1:
			c.ID = d.Uint()
		case field == 2:
			c.Listener = number(d, math.MaxUint8)
		case field == 3:
			var err error
			if addr, err = netip.ParseAddr(d.String()); err != nil {
				d.Fail(err)
			}
		case field == 4:
			port = uint16(number(d, math.MaxUint16))
		case field == 5:
			c.Stage = Stage(number(d, math.MaxUint8))
		case field == 6:
			c.Flags = Flags(d.Uint())
		case field == 7:
			c.Heartbeat = uint8(number(d, math.MaxUint8))
		case field <= 14:
			*[]*int64{&c.Begun, &c.Seen, &c.Sent, &c.Deadline, &c.Due, &c.Rest, &c.Since}[field-8] = d.Int()
		case field <= 18:
			*[]*uint64{&c.BytesIn, &c.BytesOut, &c.MessagesIn, &c.MessagesOut}[field-15] = d.Uint()
		case field <= 37:
			c.readInput(d, field)
		case field == 44:
			c.readShared(d, shared)
		default:
			c.readOutput(d, field)
		}
	}
	c.Addr = netip.AddrPortFrom(addr, port)
	if err := d.Err(); err != nil {
		return fmt.Errorf("moving: a connection: %w", err)
	}
	return c.check()
}

// number returns a number of a field, from 0 to max.
func number(d *snapshot.Decoder, max uint64) int {
	n := d.Uint()
	if n > max {
		d.Fail(fmt.Errorf("the number %d is too large", n))
		return 0
	}
	return int(n)
}

// size returns the number of bytes or frames in a field.
func size(d *snapshot.Decoder) int { return number(d, math.MaxInt32) }

func (c *Conn) readInput(d *snapshot.Decoder, field int) {
	m := &c.Message
	switch field {
	case 19:
		c.Cause = d.String()
	case 20:
		c.Code = ws.StatusCode(number(d, math.MaxUint16))
	case 21:
		c.Reason = d.String()
	case 22:
		c.Unread = bytes.Clone(d.Bytes())
	case 23:
		c.Scanned = size(d)
	case 24:
		c.Lines = size(d)
	case 25:
		m.Op = ws.OpCode(number(d, math.MaxUint8))
	case 26:
		m.Compressed = d.Bool()
	case 27:
		m.Fin = d.Bool()
	case 28:
		m.InFrame = d.Bool()
	case 29:
		m.Mask = uint32(number(d, math.MaxUint32))
	case 30:
		m.MaskPos = size(d)
	case 31:
		m.Left = size(d)
	case 32:
		m.Fragments = size(d)
	case 33:
		m.Body = bytes.Clone(d.Bytes())
	case 34:
		m.Checked = size(d)
	case 35:
		c.Kept.Op = ws.OpCode(number(d, math.MaxUint8))
	case 36:
		c.Kept.Compressed = d.Bool()
	case 37:
		c.Kept.Data = bytes.Clone(d.Bytes())
	}
}

func (c *Conn) readOutput(d *snapshot.Decoder, field int) {
	switch field {
	case 40:
		b := output.NewBuffer(bytes.Clone(d.Bytes()))
		c.Output.Refs = append(c.Output.Refs, output.Ref{Buf: b, B: b.B})
	case 41:
		c.Output.Cut = d.Bool()
	case 42:
		c.Output.Pong = bytes.Clone(d.Bytes())
	case 43:
		c.Output.Exempt = size(d)
	case 50:
		c.Data = d.Bytes()
	case 51:
		c.RoundTrip = d.Uint()
	case 52:
		c.HighWater = size(d)
	}
}

// readShared reads a stretch of a shared buffer.
func (c *Conn) readShared(d *snapshot.Decoder, shared []*output.Buffer) {
	var n, at, size uint64
	in := d.Message()
	for field := in.Next(); field != 0; field = in.Next() {
		switch field {
		case 1:
			n = in.Uint()
		case 2:
			at = in.Uint()
		case 3:
			size = in.Uint()
		}
	}
	if err := in.Err(); err != nil {
		d.Fail(err)
		return
	}
	if n == 0 || n > uint64(len(shared)) {
		d.Fail(fmt.Errorf("the shared buffer %d was not written", n))
		return
	}
	b := shared[n-1]
	if have := uint64(len(b.B)); at > have || size > have-at {
		d.Fail(fmt.Errorf("%d bytes from %d of a shared buffer that has %d", size, at, have))
		return
	}
	c.Output.Refs = append(c.Output.Refs, output.Ref{Buf: b, B: b.B[at : at+size : at+size]})
}

// check returns an error for a connection that cannot be.
func (c *Conn) check() error {
	closing := c.Flags&Closing != 0
	switch {
	case c.ID == 0:
		return errors.New("moving: a connection without an id")
	case c.Stage < Head || c.Stage > Drain:
		return fmt.Errorf("moving: the connection %x has the unknown stage %d", c.ID, c.Stage)
	case c.Stage == Head && c.Flags&^Ready != 0, c.Stage == Open && c.Flags&Opened == 0, c.Stage == Drain && !closing:
		return fmt.Errorf("moving: the flags %x of the connection %x do not belong to the stage %d", c.Flags, c.ID, c.Stage)
	case !closing && c.Flags&(Last|Abort|Armed) != 0, closing == (c.Cause == ""):
		return fmt.Errorf("moving: the connection %x closes by half: flags %x, cause %q", c.ID, c.Flags, c.Cause)
	case c.Kept.Op != 0 && c.Kept.Op != ws.OpText && c.Kept.Op != ws.OpBinary:
		return fmt.Errorf("moving: the connection %x keeps a message with the opcode %d", c.ID, c.Kept.Op)
	case c.Scanned > len(c.Unread):
		return fmt.Errorf("moving: the connection %x has %d bytes of a head, of which %d were searched", c.ID, len(c.Unread), c.Scanned)
	case len(c.Output.Pong) > ws.MaxHeaderSize+ws.MaxControlFramePayloadSize:
		return fmt.Errorf("moving: the connection %x has a pong of %d bytes", c.ID, len(c.Output.Pong))
	}
	for _, r := range c.Output.Refs {
		if len(r.B) == 0 {
			return fmt.Errorf("moving: the connection %x has an empty frame to send", c.ID)
		}
	}
	if _, err := c.Message.Decoder(); err != nil {
		return fmt.Errorf("moving: the connection %x: %w", c.ID, err)
	}
	return nil
}
