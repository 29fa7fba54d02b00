package bench

import (
	"encoding/binary"
	"math/rand/v2"
)

// A stamp is the first 16 bytes of every payload: 8 letters with the message's number, 8 letters with the tag of the run. Each letter
// carries four bits ('a' is 0, 'p' is 15), so that the payload is plain text and still reads as two machine words: no
// parsing per frame. Number and schedule together give the sender and the intended time; the tag keeps other people's messages, and those of
// an earlier run that are late, out of the figures.

// MinSize is the smallest payload that a scenario can send, in bytes.
const MinSize = headBytes

const letterA = 0x6161616161616161 // eight times 'a'

// letters spreads v over eight letters, the lowest four bits first.
func letters(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	return x + letterA
}

// number is the inverse of letters. What is not letters gives nonsense: compare the tag first.
func number(x uint64) uint32 {
	x -= letterA
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// stampOf returns the number in a head and its tag, as letters.
func stampOf(head *[headBytes]byte) (seq uint32, tag uint64) {
	return number(binary.LittleEndian.Uint64(head[:])), binary.LittleEndian.Uint64(head[8:])
}

// newTag returns a tag for a run, as letters.
func newTag() uint64 { return letters(rand.Uint32()) }

// template is a client's masked text frame, made once: a message costs patching eight bytes of it, and its header when sizes differ. A client
// that compresses deflates each message anew.
type template struct {
	size  Size
	mean  int // bytes of a frame, about
	mask  [4]byte
	word  uint64 // the mask, twice
	room  []byte // for the longest header, then the masked payload; plain if packed or published
	frame []byte // the whole frame, if sizes are fixed
	out   []byte // a packed or published message's frame
	pack  bool
	quote string // the channel in JSON, in the Centrifuge dialect
}

// maxHeader is the length of a client's longest header.
const maxHeader = 14

// newTemplate makes a frame of the size with the tag, for an open client. The filling is random letters, so that compression finds a text and not a run of one byte.
func newTemplate(size Size, tag uint64, c *client) *template {
	t := &template{size: size, mask: c.mask, pack: c.terms.packed, room: make([]byte, maxHeader+max(size.max(), MinSize))}
	payload := t.room[maxHeader:]
	for i := range payload {
		payload[i] = 'a' + byte(rand.IntN(26))
	}
	binary.LittleEndian.PutUint64(payload[8:], tag)
	t.mean = maxHeader + (size.min()+size.max())/2
	if c.session != nil {
		t.quote = quotedChannel(c.path)
		t.mean += len(appendPublish(nil, t.quote, 0, nil))
		return t
	}
	if t.pack {
		return t
	}
	word := uint64(binary.LittleEndian.Uint32(c.mask[:]))
	t.word = word | word<<32
	xorMask(payload, c.mask, 0)
	if n, ok := size.fixed(); ok {
		t.frame = t.headed(max(n, MinSize))
		t.mean = len(t.frame)
	}
	return t
}

// headed puts the header for a payload of n bytes before it. A shorter payload is a longer one's beginning, masked or not.
func (t *template) headed(n int) []byte {
	var h [maxHeader]byte
	head := appendHeader(h[:0], opText, n, &t.mask)
	from := maxHeader - len(head)
	copy(t.room[from:], head)
	return t.room[from : maxHeader+n]
}

// number returns the frame of message seq; it is valid until the next call.
func (t *template) number(seq uint32) []byte {
	binary.LittleEndian.PutUint64(t.room[maxHeader:], letters(seq)^t.word)
	if t.frame != nil {
		return t.frame
	}
	n := max(t.size.of(seq), MinSize)
	message, op := t.out[:0], byte(opText)
	switch payload := t.room[maxHeader : maxHeader+n]; {
	case t.quote != "":
		message = appendPublish(message, t.quote, seq, payload)
	case t.pack:
		message, op = appendDeflated(message, payload), opText|rsv1
	default:
		return t.headed(n)
	}
	at := len(message)
	t.out = appendFrame(message, op, message[:at:at], &t.mask)
	return t.out[at:]
}
