package snapshot

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// An Encoder appends the fields of a message to B. Except Message, its methods leave out zero values. The
// numbers of fields are 1 and higher; a number that is used several times makes a list. The zero value is an
// empty message.
type Encoder struct{ B []byte }

// Uint appends a number.
func (e *Encoder) Uint(field int, v uint64) {
	if v != 0 {
		e.tag(field, protowire.VarintType)
		e.B = protowire.AppendVarint(e.B, v)
	}
}

// Int appends a number that may be negative.
func (e *Encoder) Int(field int, v int64) { e.Uint(field, protowire.EncodeZigZag(v)) }

// Bool appends a truth value.
func (e *Encoder) Bool(field int, v bool) { e.Uint(field, protowire.EncodeBool(v)) }

// Time appends a time, as nanoseconds since 1970. The time of 1970 itself is read as the zero time.
func (e *Encoder) Time(field int, t time.Time) {
	if !t.IsZero() {
		e.Int(field, t.UnixNano())
	}
}

// Bytes appends bytes.
func (e *Encoder) Bytes(field int, v []byte) {
	if len(v) > 0 {
		e.Item(field, v)
	}
}

// Item appends an element of a list, which may be empty.
func (e *Encoder) Item(field int, v []byte) {
	e.tag(field, protowire.BytesType)
	e.B = protowire.AppendBytes(e.B, v)
}

// String appends a text.
func (e *Encoder) String(field int, v string) {
	if v != "" {
		e.tag(field, protowire.BytesType)
		e.B = protowire.AppendString(e.B, v)
	}
}

// Message appends a message inside this one, which may be empty. f appends its fields to the same Encoder.
func (e *Encoder) Message(field int, f func(e *Encoder)) {
	e.tag(field, protowire.BytesType)
	start := len(e.B)
	f(e)
	var size [10]byte
	n := len(protowire.AppendVarint(size[:0], uint64(len(e.B)-start)))
	e.B = append(e.B, size[:n]...) // make room, and move the message behind its length
	copy(e.B[start+n:], e.B[start:len(e.B)-n])
	copy(e.B[start:], size[:n])
}

func (e *Encoder) tag(field int, t protowire.Type) {
	e.B = protowire.AppendTag(e.B, protowire.Number(field), t)
}
