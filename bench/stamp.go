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

// template is a client's masked text frame, made once: a message costs patching eight bytes of it.
type template struct {
	frame []byte
	stamp int    // where the payload begins in frame
	mask  uint64 // the mask, twice
}

// newTemplate makes a frame of size bytes payload with the tag. The filling is random letters, so that a server that compresses does not win by it.
func newTemplate(size int, tag uint64, mask [4]byte) *template {
	payload := make([]byte, max(size, MinSize))
	for i := range payload {
		payload[i] = 'a' + byte(rand.IntN(26))
	}
	binary.LittleEndian.PutUint64(payload[8:], tag)
	word := uint64(binary.LittleEndian.Uint32(mask[:]))
	t := &template{frame: appendFrame(nil, opText, payload, &mask), mask: word | word<<32}
	t.stamp = len(t.frame) - len(payload)
	return t
}

// number puts seq into the frame and returns it; it is valid until the next call.
func (t *template) number(seq uint32) []byte {
	binary.LittleEndian.PutUint64(t.frame[t.stamp:], letters(seq)^t.mask)
	return t.frame
}
