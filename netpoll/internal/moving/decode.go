package moving

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/gobwas/ws"

	"webim/netpoll/snapshot"
)

// parse reads a connection into c, which is empty. The result keeps nothing of b. A connection that cannot be is an error.
func (c *Conn) parse(b []byte) error {
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

// ParseAll reads the connections of a message that has nothing else: each is a field with the number 1. It appends them to all.
func ParseAll(all []Conn, b []byte) ([]Conn, error) {
	d := snapshot.Decode(b)
	for d.Next() != 0 {
		all = append(all, Conn{})
		if err := all[len(all)-1].parse(d.Bytes()); err != nil {
			return nil, err
		}
	}
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("moving: connections: %w", err)
	}
	return all, nil
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
		c.Output.Frames = append(c.Output.Frames, bytes.Clone(d.Bytes()))
	case 41:
		c.Output.Cut = d.Bool()
	case 42:
		c.Output.Pong = bytes.Clone(d.Bytes())
	case 43:
		c.Output.Exempt = size(d)
	case 50:
		c.Data = bytes.Clone(d.Bytes())
	case 51:
		c.RoundTrip = d.Uint()
	case 52:
		c.HighWater = size(d)
	}
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
	for _, b := range c.Output.Frames {
		if len(b) == 0 {
			return fmt.Errorf("moving: the connection %x has an empty frame to send", c.ID)
		}
	}
	if _, err := c.Message.Decoder(); err != nil {
		return fmt.Errorf("moving: the connection %x: %w", c.ID, err)
	}
	return nil
}
