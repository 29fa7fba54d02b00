// Package envelope defines the bytes of a message in the log: the format in which webim stores
// publications in a stream of JetStream. A stored message is never changed, so each version of the
// format can be read for ever.
//
// # The format, version 1
//
// All numbers are unsigned varints in their shortest form, unless a width is given. A string is its
// length and its bytes. A part whose bit in the flags is not set takes no bytes.
//
//	version  1 byte
//	flags    1 byte: see the constants
//	op       1 byte: the type of the data, as in engine.Message
//	time     8 bytes, big endian: nanoseconds since 1970, signed
//	back     the offset, and 1 byte for the depth
//	key      CompactKey, as a string
//	id       Key, as a string
//	author   User and Client, as strings
//	tags     the tags that stay readable: their number, and a name and a value for each, sorted by name
//	body     the personal part of the message as it is, or, sealed, as a string
//
// The personal part is
//
//	parts    1 byte: see the constants
//	info     ConnInfo and ChanInfo, as strings
//	tags     the other tags, in the same form
//	data     a string
//
// Nothing follows the body. So a truncated message is an error, whatever is missing.
//
// # What is sealed
//
// A sealed message hides everything that a user said or that describes the user: the data, ConnInfo,
// ChanInfo, and all tags except engine.TagEvent and engine.TagOf. Other tags can hold a text: the
// server API lets an application choose tags freely, and package chat puts the id there that the
// client chose. The two that stay are those that engine.Publication.Redact keeps. So once the key is
// gone, what is left of the message is what is left of a redacted one. User, Client, Time, Op, Key and
// CompactKey also stay readable.
//
// This package does not encrypt. The caller seals the result of AppendPersonal, puts it into
// Envelope.Sealed, and gives the opened text to Reveal: see package seal.
//
// # Rules
//
//   - Package envelope imports only package engine. It has no state, and no goroutine.
//   - Each message has exactly one encoding, and each encoding that Decode accepts is the one that
//     Append writes. So a change of a byte is either an error or another message.
//   - A new version of the format gets a new golden file. The old files stay, and are decoded by the
//     tests.
package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// Version is the version of the format that Append writes, and the highest one that Decode reads.
const Version = 1

// MinSealed is the minimum length of Envelope.Sealed: a key id of 8 bytes, a nonce of 12, and a tag
// of 16.
const MinSealed = 8 + 12 + 16

// The errors of Decode and Reveal.
var (
	// ErrVersion: a newer webim has written the message.
	ErrVersion = errors.New("envelope: the message was stored by a newer version of webim: upgrade this one")
	// ErrMalformed: the bytes are no message, or are damaged. The error says which part is wrong.
	ErrMalformed = errors.New("envelope: the stored message is damaged")
)

// Envelope is a stored message. Its content is that of an engine.Publication, without the offsets,
// which JetStream gives, and without the fields that the history does not keep.
type Envelope struct {
	Op         ws.OpCode // ws.OpText, ws.OpBinary or engine.OpJSON
	Skip       bool
	Time       int64  // nanoseconds since 1970
	CompactKey string // "" for a message
	Key        string // the idempotency key, if it is to be found again in the log; "" if not
	Tags       map[string]string

	HasAuthor bool          // false: the author is unknown, and From is empty
	From      engine.Author // ConnInfo and ChanInfo are missing while the message is sealed

	// Back is the offset of an older message of the room, or 0 if none is known. Depth is the number
	// of messages that the publisher believes are between the two.
	Back  uint64
	Depth uint8

	Data []byte // nil while the message is sealed

	// Sealed, if not nil, is the sealed personal part: at least MinSealed bytes. Append writes it
	// in place of Data, ConnInfo, ChanInfo and the tags that are sealed.
	Sealed []byte
}

// The flags.
const (
	flagSkip = 1 << iota
	flagAuthor
	flagCompactKey
	flagKey
	flagBack
	flagTags
	flagSealed

	allFlags = 1<<iota - 1
)

// The parts of the personal part.
const (
	partConnInfo = 1 << iota
	partChanInfo
	partTags

	allParts = 1<<iota - 1
)

// isReadable reports whether a tag stays readable when a message is sealed.
func isReadable(tag string) bool { return tag == engine.TagEvent || tag == engine.TagOf }

// bit returns flag if the condition is true.
func bit(flag byte, condition bool) byte {
	if condition {
		return flag
	}
	return 0
}

// Append appends the encoding of m to dst. If m.Sealed is not nil, it must have at least MinSealed
// bytes, and the personal part is not written. Op must be one of those that Envelope names.
func Append(dst []byte, m *Envelope) []byte {
	var names tagNames
	readable := names.of(m.Tags, true)
	flags := bit(flagSkip, m.Skip) | bit(flagAuthor, m.HasAuthor) | bit(flagCompactKey, m.CompactKey != "") | bit(flagKey, m.Key != "") |
		bit(flagBack, m.Back != 0 || m.Depth != 0) | bit(flagTags, len(readable) > 0) | bit(flagSealed, m.Sealed != nil)
	dst = append(dst, Version, flags, byte(m.Op))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Time))
	if flags&flagBack != 0 {
		dst = append(binary.AppendUvarint(dst, m.Back), m.Depth)
	}
	if flags&flagCompactKey != 0 {
		dst = appendString(dst, m.CompactKey)
	}
	if flags&flagKey != 0 {
		dst = appendString(dst, m.Key)
	}
	if flags&flagAuthor != 0 {
		dst = appendString(appendString(dst, m.From.User), m.From.Client)
	}
	if flags&flagTags != 0 {
		dst = appendTags(dst, m.Tags, readable)
	}
	if m.Sealed != nil {
		return appendString(dst, m.Sealed)
	}
	return AppendPersonal(dst, m)
}

// AppendPersonal appends the personal part of m to dst: the text to seal.
func AppendPersonal(dst []byte, m *Envelope) []byte {
	var names tagNames
	personal := names.of(m.Tags, false)
	info := m.HasAuthor
	parts := bit(partConnInfo, info && len(m.From.ConnInfo) > 0) | bit(partChanInfo, info && len(m.From.ChanInfo) > 0) | bit(partTags, len(personal) > 0)
	dst = append(dst, parts)
	if parts&partConnInfo != 0 {
		dst = appendString(dst, m.From.ConnInfo)
	}
	if parts&partChanInfo != 0 {
		dst = appendString(dst, m.From.ChanInfo)
	}
	if parts&partTags != 0 {
		dst = appendTags(dst, m.Tags, personal)
	}
	return appendString(dst, m.Data)
}

// tagNames is space for the names of the tags of most messages, so that sorting them needs no garbage.
type tagNames [16]string

// of returns the sorted names of the tags that are readable, or of the others.
func (n *tagNames) of(tags map[string]string, readable bool) []string {
	names := n[:0]
	for name := range tags {
		if isReadable(name) == readable {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func appendTags(dst []byte, tags map[string]string, names []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range names {
		dst = appendString(appendString(dst, name), tags[name])
	}
	return dst
}

func appendString[S string | []byte](dst []byte, s S) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Decode decodes a message. Its strings and slices are parts of b, which must not change after that.
// The errors are ErrVersion and ErrMalformed, or wrap them.
//
// If the message is sealed, Sealed is not nil, and the personal part is missing until Reveal.
func Decode(b []byte) (Envelope, error) {
	d := decoder{rest: b}
	version := d.byte("version")
	switch {
	case d.bad == "" && version > Version:
		return Envelope{}, fmt.Errorf("%w (the format has version %d, and this one reads up to %d)", ErrVersion, version, Version)
	case version < 1:
		d.fail("version")
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
