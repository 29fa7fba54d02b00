package stamp

import (
	"encoding/binary"
	"math/rand/v2"
)

// A stamp has two parts of eight letters: the message's number, then the tag of the run. Each letter carries four bits
// ('a' is 0, 'p' is 15). So the payload is plain text, and a receiver still reads the stamp as two machine words, without
// parsing. The number and the schedule together give the sender of a message and the time at which it was due. The tag
// keeps the messages of other programs, and late messages of an earlier run, out of the figures.

// Size is the length of a stamp, and so of the smallest payload that a scenario can send, in bytes.
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

// Number is the inverse of Letters. Other bytes than letters give a number without meaning: compare the tag first.
func Number(x uint64) uint32 {
	x -= letterA
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// Read returns the number and the tag of the stamp at the beginning of a payload. The tag is returned as letters.
func Read(head *[Size]byte) (seq uint32, tag uint64) {
	return Number(binary.LittleEndian.Uint64(head[:])), binary.LittleEndian.Uint64(head[8:])
}

// NewTag returns a random tag for a run, as letters.
func NewTag() uint64 { return Letters(rand.Uint32()) }
