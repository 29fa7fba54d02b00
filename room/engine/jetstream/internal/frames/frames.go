package frames

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Version is the version of the format that this package writes, and the newest that it reads.
const Version = 1

// The errors of decoding.
var (
	// ErrVersion: the frame has a newer version.
	ErrVersion = errors.New("frames: a node with a newer version of webim has sent it")
	// ErrMalformed: the bytes are not a frame, or not the body of one.
	ErrMalformed = errors.New("frames: damaged")
)

// Kind is the kind of a frame.
type Kind uint8

// The kinds of frames.
const (
	Beat    Kind = iota + 1 // the sender lives; the body says what it knows: see package cluster
	Bye                     // the sender ends
	Hello                   // the sender has begun; the answer lists the nodes that live
	Count                   // how many members does a room have?
	Members                 // who are they?
	Info                    // reports of the hubs
	Control                 // apply a control message
	Answer                  // to a question
	Refusal                 // the answer is an error; the body is its text
	Ended                   // reports of the hubs, with the records that the body asks for: see engine.Question.Ended
	Changed                 // an entry of the State has changed: see Change; there is no answer

	lastKind = Changed
)

// MaxID is the maximum length of the id of a node, in bytes.
const MaxID = 255

// Frame is a message from node to node.
type Frame struct {
	From string // the id of the node
	Kind Kind
	Part uint16 // the number of this part of an answer
	More bool   // another part follows
	Body []byte
}

// Append appends the encoding of f to dst. From must have at most MaxID bytes.
func Append(dst []byte, f *Frame) []byte {
	more := byte(0)
	if f.More {
		more = 1
	}
	dst = append(dst, Version, byte(len(f.From)))
	dst = append(dst, f.From...)
	dst = append(dst, byte(f.Kind), byte(f.Part>>8), byte(f.Part), more)
	return append(dst, f.Body...)
}

// Decode decodes a frame. The body is a part of b. If the error wraps ErrVersion, From is valid.
func Decode(b []byte) (f Frame, err error) {
	s := cryptobyte.String(b)
	var version, kind, more uint8
	var from cryptobyte.String
	if !s.ReadUint8(&version) || version == 0 || !s.ReadUint8LengthPrefixed(&from) {
		return f, fmt.Errorf("%w: its beginning is wrong", ErrMalformed)
	}
	f.From = string(from)
	if version > Version {
		return f, fmt.Errorf("%w: version %d, and this node reads up to %d", ErrVersion, version, Version)
	}
	if !s.ReadUint8(&kind) || !s.ReadUint16(&f.Part) || !s.ReadUint8(&more) || kind == 0 || Kind(kind) > lastKind || more > 1 {
		return Frame{}, fmt.Errorf("%w: its head is wrong", ErrMalformed)
	}
	f.Kind, f.More, f.Body = Kind(kind), more == 1, s
	return f, nil
}

// reader reads the parts of a body. After a failure it returns zero values.
type reader struct {
	rest cryptobyte.String
	bad  bool
}

func (r *reader) ok(ok bool) { r.bad = r.bad || !ok }

func (r *reader) byte() (n uint8) {
	r.ok(r.rest.ReadUint8(&n))
	return n
}

// number reads a number that fits into an int.
func (r *reader) number() int {
	var n uint64
	r.ok(r.rest.ReadUint64(&n) && int(n) >= 0)
	return int(n)
}

// short reads a string with 2 bytes of length, and long one with 3.
func (r *reader) short() string {
	var s cryptobyte.String
	r.ok(r.rest.ReadUint16LengthPrefixed(&s))
	return string(s)
}

// long returns nil for an empty string.
func (r *reader) long() []byte {
	var s cryptobyte.String
	r.ok(r.rest.ReadUint24LengthPrefixed(&s))
	if len(s) == 0 {
		return nil
	}
	return s
}

// end returns an error if something was wrong, or is left.
func (r *reader) end(what string) error {
	if r.bad || len(r.rest) > 0 {
		return fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	return nil
}

func appendNumber(dst []byte, n int) []byte {
	v := uint64(n)
	return append(dst, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func appendShort(dst []byte, s string) []byte {
	return append(append(dst, byte(len(s)>>8), byte(len(s))), s...)
}

func appendLong[S string | []byte](dst []byte, s S) []byte {
	return append(append(dst, byte(len(s)>>16), byte(len(s)>>8), byte(len(s))), s...)
}
