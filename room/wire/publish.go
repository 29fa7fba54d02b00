package wire

import (
	"bytes"
	"math"

	"github.com/centrifugal/protocol"
	"google.golang.org/protobuf/encoding/protowire"
)

// A Scratch lends memory to the publish commands that Next decodes, so that a publish in its usual
// form allocates nothing: see Commands.Lend. The zero value is ready. It is not safe for concurrent
// use.
type Scratch struct {
	command protocol.Command
	publish protocol.PublishRequest
}

// Names finds the name of a room that a client has already used, so that Next need not copy it.
type Names interface {
	// Known returns the name if it is known; ok is false otherwise. It does not keep b.
	Known(b []byte) (name string, ok bool)
}

// Lend makes Next decode a publish command into s, if the command has its usual form: the bytes
// that the client libraries write, with the id first or last, a room's name of visible ASCII, and
// data that isPlain recognizes. Such a command is valid until the next call of Next, and its Data is
// a part of the message. All other commands are decoded as without Lend; so are the results.
//
// names may be nil.
func (c *Commands) Lend(s *Scratch, names Names) { c.scratch, c.names = s, names }

// Release makes s forget the last command.
func (s *Scratch) Release() { s.publish.Channel, s.publish.Data = "", nil }

// publish decodes a publish command in its usual form; nil if it is another command, or has another
// form.
func (c *Commands) publish(one []byte) *protocol.Command {
	if c.scratch == nil {
		return nil
	}
	cut := cutPublishJSON
	if c.encoding == Protobuf {
		cut = cutPublishProtobuf
	}
	id, room, data, ok := cut(one)
	if !ok {
		return nil
	}
	s := c.scratch
	known := false
	if c.names != nil {
		s.publish.Channel, known = c.names.Known(room)
	}
	if !known {
		s.publish.Channel = string(room)
	}
	s.publish.Data = data
	s.command.Id, s.command.Publish = id, &s.publish
	return &s.command
}

// cutPublishJSON cuts a publish command in JSON:
//
//	{"id":7,"publish":{"channel":"lobby","data":{"text":"hello"}}}
//	{"publish":{"channel":"lobby","data":{"text":"hello"}},"id":7}
func cutPublishJSON(b []byte) (id uint32, room, data []byte, ok bool) {
	b, first := bytes.CutPrefix(b, []byte(`{"id":`))
	if first {
		if id, b = cutID(b); id == 0 {
			return 0, nil, nil, false
		}
		b, ok = bytes.CutPrefix(b, []byte(`,"publish":{"channel":"`))
	} else {
		b, ok = bytes.CutPrefix(b, []byte(`{"publish":{"channel":"`))
	}
	if !ok {
		return 0, nil, nil, false
	}
	size := max(0, bytes.IndexByte(b, '"'))
	room = b[:size]
	if b, ok = bytes.CutPrefix(b[size:], []byte(`","data":`)); !ok || !isVisibleASCII(room) {
		return 0, nil, nil, false
	}
	end := plainValue(b, 0, 0)
	if end < 0 {
		return 0, nil, nil, false
	}
	data, b = b[:end:end], b[end:]
	if first {
		return id, room, data, string(b) == "}}"
	}
	if b, ok = bytes.CutPrefix(b, []byte(`},"id":`)); !ok {
		return 0, nil, nil, false
	}
	id, b = cutID(b)
	return id, room, data, id != 0 && string(b) == "}"
}

// cutID cuts the decimal form of an id off b; 0 if there is none.
func cutID(b []byte) (id uint32, rest []byte) {
	n := skipDigits(b[:min(len(b), 11)], 0)
	if n == 0 || b[0] == '0' {
		return 0, nil
	}
	var sum uint64
	for _, c := range b[:n] {
		sum = 10*sum + uint64(c-'0')
	}
	if sum > math.MaxUint32 {
		return 0, nil
	}
	return uint32(sum), b[n:]
}

// isVisibleASCII reports whether a room's name stands for itself in JSON.
func isVisibleASCII(room []byte) bool {
	for _, c := range room {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return len(room) > 0
}

// cutPublishProtobuf cuts a publish command in Protobuf: the fields id and publish, and in publish
// channel and data, once each and in the order of their numbers.
func cutPublishProtobuf(b []byte) (id uint32, room, data []byte, ok bool) {
	number, b, ok := cutVarint(b, 1)
	if !ok || number == 0 || number > math.MaxUint32 {
		return 0, nil, nil, false
	}
	publish, b, ok := cutBytes(b, fieldPublish)
	if !ok || len(b) > 0 {
		return 0, nil, nil, false
	}
	if room, publish, ok = cutBytes(publish, 1); !ok || !isVisibleASCII(room) {
		return 0, nil, nil, false
	}
	if data, publish, ok = cutBytes(publish, 2); !ok || len(publish) > 0 || len(data) == 0 {
		return 0, nil, nil, false
	}
	return uint32(number), room, data, true
}

// cutVarint cuts a field with a number off b.
func cutVarint(b []byte, field protowire.Number) (v uint64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != byte(field<<3)|byte(protowire.VarintType) {
		return 0, nil, false
	}
	v, n := protowire.ConsumeVarint(b[1:])
	if n < 0 {
		return 0, nil, false
	}
	return v, b[1+n:], true
}

// cutBytes cuts a field with bytes off b.
func cutBytes(b []byte, field protowire.Number) (v, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != byte(field<<3)|byte(protowire.BytesType) {
		return nil, nil, false
	}
	v, n := protowire.ConsumeBytes(b[1:])
	if n < 0 {
		return nil, nil, false
	}
	return v[:len(v):len(v)], b[1+n:], true
}
