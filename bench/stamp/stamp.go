package stamp

import (
	"encoding/binary"
	"math/rand/v2"
)

// A stamp is the first 16 bytes of every payload: 8 letters with the message's number, 8 letters with the tag of the run. Each letter
// carries four bits ('a' is 0, 'p' is 15), so that the payload is plain text and still reads as two machine words: no
// parsing per frame. Number and schedule together give the sender and the intended time; the tag keeps other people's messages, and those of
// an earlier run that are late, out of the figures.

// Size is the smallest payload that a scenario can send, in bytes.
const Size = 16

const letterA = 0x6161616161616161 // eight times 'a'

// Letters spreads v over eight letters, the lowest four bits first.
func Letters(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	return x + letterA
}

// Number is the inverse of letters. What is not letters gives nonsense: compare the tag first.
func Number(x uint64) uint32 {
	x -= letterA
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// Read returns the number in a head and its tag, as letters.
func Read(head *[Size]byte) (seq uint32, tag uint64) {
	return Number(binary.LittleEndian.Uint64(head[:])), binary.LittleEndian.Uint64(head[8:])
}

// NewTag returns a tag for a run, as letters.
func NewTag() uint64 { return Letters(rand.Uint32()) }
