package load

import (
	"encoding/binary"
	"math/rand/v2"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/stamp"
	"webim/bench/ws"
)

// Template is the masked text frame of a client. It is built once; for each message only eight bytes change, and the
// header if sizes differ. A client that compresses builds each message anew.
type Template struct {
	size     option.Size
	mean     int // mean length of a frame, in bytes
	mask     [4]byte
	word     uint64 // the mask, repeated
	room     []byte // space for the longest header, then the payload: masked, unless each message is built anew
	frame    []byte // the whole frame, if all messages have one size
	out      []byte // buffer for a message that is built anew
	compress bool
	channel  string // the channel in JSON, in the Centrifuge dialect
}

// maxHeader is the length of the longest header of a client's frame.
const maxHeader = 14

// NewTemplate builds the frame of an open client. The payload is a stamp with the tag, and random letters, so that
// compression works on a text and not on one repeated byte.
func NewTemplate(size option.Size, tag uint64, f client.Format) *Template {
	t := &Template{size: size, mask: f.Mask, compress: f.Compressed, channel: f.Channel, room: make([]byte, maxHeader+max(size.Max(), stamp.Size))}
	payload := t.room[maxHeader:]
	for i := range payload {
		payload[i] = 'a' + byte(rand.IntN(26))
	}
	binary.LittleEndian.PutUint64(payload[8:], tag)
	t.mean = maxHeader + (size.Min()+size.Max())/2
	if t.channel != "" {
		t.mean += len(client.AppendPublish(nil, t.channel, 0, nil))
		return t
	}
	if t.compress {
		return t
	}
	word := uint64(binary.LittleEndian.Uint32(f.Mask[:]))
	t.word = word | word<<32
	ws.Mask(payload, f.Mask, 0)
	if n, ok := size.Fixed(); ok {
		t.frame = t.headed(max(n, stamp.Size))
		t.mean = len(t.frame)
	}
	return t
}

// headed puts a header for a payload of n bytes before the payload. The payload is the first n bytes of the longest one.
func (t *Template) headed(n int) []byte {
	var h [maxHeader]byte
	head := ws.AppendHeader(h[:0], ws.Text, n, &t.mask)
	from := maxHeader - len(head)
	copy(t.room[from:], head)
	return t.room[from : maxHeader+n]
}

// Number returns the frame of message seq. It is valid until the next call.
func (t *Template) Number(seq uint32) []byte {
	binary.LittleEndian.PutUint64(t.room[maxHeader:], stamp.Letters(seq)^t.word)
	if t.frame != nil {
		return t.frame
	}
	n := max(t.size.Of(seq), stamp.Size)
	message, op := t.out[:0], byte(ws.Text)
	switch payload := t.room[maxHeader : maxHeader+n]; {
	case t.channel != "":
		message = client.AppendPublish(message, t.channel, seq, payload)
	case t.compress:
		message, op = ws.AppendDeflated(message, payload), ws.Text|ws.RSV1
	default:
		return t.headed(n)
	}
	at := len(message)
	t.out = ws.AppendFrame(message, op, message[:at:at], &t.mask)
	return t.out[at:]
}
