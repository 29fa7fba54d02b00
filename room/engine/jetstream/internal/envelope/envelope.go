// Package envelope defines the bytes of a message in the log: the format in which webim stores
// publications in a stream of JetStream. A stored message is never changed, so each version of the
// format can be read for ever.
//
// # The format, version 1
//
// All numbers are unsigned varints in their shortest form, unless a width is given. A string is its
// length and its bytes. A part whose bit in the flags is not set takes no bytes.
//
//	version  1 byte: at most MaxVersion
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
// gone, as much is left of the message as of a redacted one. User, Client, Time, Op, Key and
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
	"errors"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// Version is the version of the format that Append writes, and the highest one that Decode reads.
const Version = 1

// MaxVersion is the highest version that the format can ever have. Texts, and most other bytes that are no message, begin with a
// higher byte, so they do not count as messages of a newer webim.
const MaxVersion = 31

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
