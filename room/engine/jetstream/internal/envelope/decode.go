package envelope

import (
	"encoding/binary"
	"fmt"
	"maps"
	"unsafe"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// Decode decodes a message. Its strings and slices are parts of b, which must not change after that.
// The errors are ErrVersion and ErrMalformed, or wrap them.
//
// If the message is sealed, Sealed is not nil, and the personal part is missing until Reveal.
func Decode(b []byte) (Envelope, error) {
	d := decoder{rest: b}
	version := d.byte("version")
	switch {
	case version < 1 || version > MaxVersion:
		d.fail("version")
	case version > Version:
		return Envelope{}, fmt.Errorf("%w (the format has version %d, and this one reads up to %d)", ErrVersion, version, Version)
	}
	var m Envelope
	flags := d.byte("flags")
	if flags&^allFlags != 0 {
		d.fail("flags")
	}
	m.Skip, m.HasAuthor = flags&flagSkip != 0, flags&flagAuthor != 0
	m.Op = ws.OpCode(d.byte("op"))
	if m.Op != ws.OpText && m.Op != ws.OpBinary && m.Op != engine.OpJSON {
		d.fail("op")
	}
	m.Time = int64(d.uint64("time"))
	if flags&flagBack != 0 {
		m.Back, m.Depth = d.uvarint("back"), d.byte("depth")
		if m.Back == 0 && m.Depth == 0 {
			d.fail("back")
		}
	}
	if flags&flagCompactKey != 0 {
		m.CompactKey = d.text("compact key")
	}
	if flags&flagKey != 0 {
		m.Key = d.text("key")
	}
	if m.HasAuthor {
		m.From.User, m.From.Client = stringOf(d.bytes("user")), stringOf(d.bytes("client"))
	}
	if flags&flagTags != 0 {
		d.tags(&m.Tags, true)
	}
	if flags&flagSealed == 0 {
		d.personal(&m)
	} else if m.Sealed = d.bytes("sealed part"); len(m.Sealed) < MinSealed {
		d.fail("sealed part")
	}
	if err := d.end(); err != nil {
		return Envelope{}, err
	}
	return m, nil
}

// Reveal adds the opened personal part to a sealed message, and clears Sealed. The strings and slices
// of m are then parts of it too, so it must not change after that. An error wraps ErrMalformed, and m
// stays sealed.
func (m *Envelope) Reveal(personal []byte) error {
	d := decoder{rest: personal}
	opened := *m
	opened.Tags, opened.Sealed = maps.Clone(m.Tags), nil
	d.personal(&opened)
	if err := d.end(); err != nil {
		return err
	}
	*m = opened
	return nil
}

// decoder cuts parts off the front of a slice. After a failure it returns zero values.
type decoder struct {
	rest []byte
	bad  string // the first part that is wrong
}

func (d *decoder) fail(part string) {
	if d.bad == "" {
		d.bad, d.rest = part, nil
	}
}

// end returns the error of the first part that is wrong, if there is one, or if something is left.
func (d *decoder) end() error {
	if len(d.rest) > 0 {
		d.fail("end")
	}
	if d.bad != "" {
		return fmt.Errorf("%w: its %s is wrong", ErrMalformed, d.bad)
	}
	return nil
}

// personal decodes the personal part.
func (d *decoder) personal(m *Envelope) {
	parts := d.byte("parts")
	if parts&^allParts != 0 || !m.HasAuthor && parts&(partConnInfo|partChanInfo) != 0 {
		d.fail("parts")
	}
	if parts&partConnInfo != 0 {
		m.From.ConnInfo = d.some("connection info")
	}
	if parts&partChanInfo != 0 {
		m.From.ChanInfo = d.some("subscription info")
	}
	if parts&partTags != 0 {
		d.tags(&m.Tags, false)
	}
	m.Data = d.bytes("data")
}

// tags decodes tags into *all: either those that are readable or the others.
func (d *decoder) tags(all *map[string]string, readable bool) {
	n := d.uvarint("tags")
	if n == 0 || n > uint64(len(d.rest)/2) { // a tag takes at least two bytes
		d.fail("tags")
		return
	}
	tags := *all
	if tags == nil {
		tags = make(map[string]string, n)
	}
	last := ""
	for i := range n {
		name, value := stringOf(d.bytes("tags")), stringOf(d.bytes("tags"))
		if i > 0 && name <= last || isReadable(name) != readable {
			d.fail("tags")
			return
		}
		tags[name], last = value, name
	}
	*all = tags
}

func (d *decoder) byte(part string) byte {
	if len(d.rest) == 0 {
		d.fail(part)
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

func (d *decoder) uint64(part string) uint64 {
	if len(d.rest) < 8 {
		d.fail(part)
		return 0
	}
	n := binary.BigEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return n
}

// uvarint decodes a number in its shortest form.
func (d *decoder) uvarint(part string) uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || size > 1 && d.rest[size-1] == 0 {
		d.fail(part)
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// bytes decodes a string, which may be empty.
func (d *decoder) bytes(part string) []byte {
	n := d.uvarint(part)
	if n > uint64(len(d.rest)) {
		d.fail(part)
		return nil
	}
	s := d.rest[:n:n]
	d.rest = d.rest[n:]
	return s
}

// some decodes a string that is not empty.
func (d *decoder) some(part string) []byte {
	s := d.bytes(part)
	if len(s) == 0 {
		d.fail(part)
	}
	return s
}

func (d *decoder) text(part string) string { return stringOf(d.some(part)) }

// stringOf returns b as a string, without a copy.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
