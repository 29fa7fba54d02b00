package snapshot

import (
	"errors"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// A Decoder reads the fields of a message in a loop, and skips those whose values are not asked for:
//
//	for d := snapshot.Decode(b); ; {
//		switch d.Next() {
//		case 0:
//			return d.Err()
//		case 1:
//			name = d.String()
//		}
//	}
//
// It accepts any bytes. After the first error, Next returns 0, and all values are zero.
type Decoder struct {
	b     []byte // behind the current field
	typ   protowire.Type
	num   uint64
	bytes []byte
	err   error
}

// ErrMalformed: the bytes are no message, or a field has another type than the reader expects.
var ErrMalformed = errors.New("snapshot: malformed state")

// Decode returns a Decoder of a message. The caller must not change b as long as it uses the result of Bytes.
func Decode(b []byte) *Decoder { return &Decoder{b: b} }

// Next moves to the next field and returns its number, or 0 at the end and after an error.
func (d *Decoder) Next() (field int) {
	if d.err != nil || len(d.b) == 0 {
		return 0
	}
	number, typ, n := protowire.ConsumeTag(d.b)
	if n < 0 {
		return d.fail()
	}
	d.b, d.typ = d.b[n:], typ
	switch typ {
	case protowire.VarintType:
		d.num, n = protowire.ConsumeVarint(d.b)
	case protowire.BytesType:
		d.bytes, n = protowire.ConsumeBytes(d.b)
	default:
		n = protowire.ConsumeFieldValue(number, typ, d.b)
	}
	if n < 0 {
		return d.fail()
	}
	d.b = d.b[n:]
	return int(number)
}

// Err returns the first error. It is nil as long as everything was well-formed.
func (d *Decoder) Err() error { return d.err }

// Fail makes the Decoder end with an error, unless it has one. A reader calls it for a value that cannot be.
func (d *Decoder) Fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

func (d *Decoder) fail() int {
	d.Fail(ErrMalformed)
	return 0
}

// is reports whether the current field has a type.
func (d *Decoder) is(typ protowire.Type) bool {
	if d.err == nil && d.typ != typ {
		d.fail()
	}
	return d.err == nil
}

// Uint returns the value of the current field.
func (d *Decoder) Uint() uint64 {
	if d.is(protowire.VarintType) {
		return d.num
	}
	return 0
}

// Int is Uint for a field that Encoder.Int has written.
func (d *Decoder) Int() int64 { return protowire.DecodeZigZag(d.Uint()) }

// Bool is Uint for a field that Encoder.Bool has written.
func (d *Decoder) Bool() bool { return d.Uint() != 0 }

// Time is Uint for a field that Encoder.Time has written.
func (d *Decoder) Time() time.Time {
	if n := d.Int(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

// Bytes returns the value of the current field, a part of the bytes that were given to Decode.
func (d *Decoder) Bytes() []byte {
	if d.is(protowire.BytesType) {
		return d.bytes[:len(d.bytes):len(d.bytes)]
	}
	return nil
}

// String returns the value of the current field as a copy.
func (d *Decoder) String() string { return string(d.Bytes()) }

// Message returns a Decoder of the message in the current field. Its errors are its own: the reader of the
// outer message passes them on.
func (d *Decoder) Message() *Decoder { return &Decoder{b: d.Bytes(), err: d.err} }
