package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/centrifugal/protocol"
	"google.golang.org/protobuf/encoding/protowire"
)

// Encoding is the encoding of messages on a connection of the centrifuge dialect.
type Encoding uint8

const (
	// JSON puts one command, reply or push in each line of text messages.
	JSON Encoding = iota
	// Protobuf puts each of them after its length in binary messages.
	Protobuf
)

// The WebSocket subprotocols by which clients choose the encoding. JSON is also the encoding if the
// client asks for no subprotocol.
const (
	SubprotocolJSON     = "centrifuge-json"
	SubprotocolProtobuf = "centrifuge-protobuf"
)

// String returns the name of the encoding in settings, logs and metrics.
func (e Encoding) String() string {
	if e == Protobuf {
		return "protobuf"
	}
	return "json"
}

// MaxHead is the maximum size in bytes of a command without its publish, rpc or send request. These
// three carry data, which is kept as it came and is limited by the size of a WebSocket message.
// Everything else is decoded into structures, which may need about fifty times its bytes (a connect
// command with rooms of nothing but `{}`): one such command costs at most 3 MB, for a moment. A
// filter would need a hundred times its bytes, and is refused before decoding: see filtered. Other
// servers of the protocol allow the same 64 KB for a whole message.
const MaxHead = 64 << 10

// The errors of Decode and Next. All wrap DisconnectBadRequest, with which the server closes the
// connection: the borders of the following commands could not be trusted, and sending the message
// again would not help. The commands before the wrong one have been handled.
var (
	ErrEmpty       = fmt.Errorf("%w: no command in the message", DisconnectBadRequest)
	ErrTooMany     = fmt.Errorf("%w: too many commands in one message", DisconnectBadRequest)
	ErrTooLong     = fmt.Errorf("%w: a command is longer than %d bytes without being publish, rpc or send", DisconnectBadRequest, MaxHead)
	ErrMalformed   = fmt.Errorf("%w: a command is malformed", DisconnectBadRequest)
	ErrNoID        = fmt.Errorf("%w: a command that needs a reply has no id", DisconnectBadRequest)
	ErrTwoRequests = fmt.Errorf("%w: two requests in one command", DisconnectBadRequest)
)

// Commands holds the commands of one WebSocket message, and decodes them one by one. Commands that
// have to wait stay undecoded, because their bytes are a tenth of the decoded size and can be
// written down. Commands is not safe for concurrent use.
type Commands struct {
	encoding Encoding
	rest     []byte // in JSON, without leading white space
	taken    int
	limit    int
	scratch  *Scratch // see Lend; nil: none
	names    Names
}

// Decode begins to decode a WebSocket message of at most limit commands. It only fails if the
// message has no command; Next reports all other errors at the command where they are. In JSON,
// blank lines and white space around a command are ignored.
//
// Commands refers to message until the last command is taken, and neither changes nor copies it.
func Decode(encoding Encoding, message []byte, limit int) (Commands, error) {
	c := Commands{encoding: encoding, rest: message, limit: limit}
	if encoding == JSON {
		c.rest = skipBlanks(message)
	}
	if len(c.rest) == 0 {
		return Commands{}, ErrEmpty
	}
	return c, nil
}

// Rest returns the undecoded part of the message: itself a message for Decode, or empty. It is
// always the end of the message that Decode was given.
func (c *Commands) Rest() []byte { return c.rest }

// Taken returns how many commands Next has taken.
func (c *Commands) Taken() int { return c.taken }

// Skip skips the commands that were taken when the same message was decoded before. left is the
// length of Rest at that time.
func (c *Commands) Skip(taken, left int) {
	c.taken, c.rest = taken, c.rest[len(c.rest)-min(left, len(c.rest)):]
}

// Next decodes the next command. It returns io.EOF if there is none left. If the command is
// invalid, or is one too many, Next returns one of the errors above, and drops the rest of the
// message. For a pong, command is nil.
//
// The command belongs to the caller and does not refer to the message, except after Lend.
func (c *Commands) Next() (method Method, command *protocol.Command, err error) {
	if len(c.rest) == 0 {
		return 0, nil, io.EOF
	}
	var one []byte
	if c.taken == c.limit {
		err = ErrTooMany
	} else if one, c.rest, err = cut(c.encoding, c.rest); err == nil {
		c.taken++
		if command = c.publish(one); command != nil {
			return Publish, command, nil
		}
		method, command, err = decode(c.encoding, one)
	}
	if err != nil {
		c.rest = nil
	}
	return method, command, err
}

// blank has the bytes that JSON allows as white space.
var blank = [256]bool{' ': true, '\t': true, '\r': true, '\n': true}

// skipBlanks returns b without leading white space. A run of white space is one step, however many
// lines it has.
func skipBlanks(b []byte) []byte {
	for i, c := range b {
		if !blank[c] {
			return b[i:]
		}
	}
	return nil
}

// trimBlanks returns b without trailing white space.
func trimBlanks(b []byte) []byte {
	for len(b) > 0 && blank[b[len(b)-1]] {
		b = b[:len(b)-1]
	}
	return b
}

var lineEnd = []byte{'\n'}

// cut separates the first command of a message from the rest.
func cut(encoding Encoding, message []byte) (one, rest []byte, err error) {
	if encoding == JSON {
		one, rest, _ = bytes.Cut(message, lineEnd)
		return trimBlanks(one), skipBlanks(rest), nil
	}
	size, n := binary.Uvarint(message)
	if n <= 0 {
		return nil, nil, fmt.Errorf("%w: its length is cut off or overflows", ErrMalformed)
	}
	message = message[n:]
	if size > uint64(len(message)) { // compared as unsigned numbers, before any addition
		return nil, nil, fmt.Errorf("%w: its length goes past the end of the message", ErrMalformed)
	}
	return message[:size], message[size:], nil
}

// decode decodes one command.
//
// The JSON decoder of the protocol module is generated code that walks the bytes once.
// encoding/json on the same types is eight times slower: 1.8 µs and 11 allocations for a publish of
// 128 bytes, against 0.22 µs and 4 (the command, the request, the channel, the data). Unlike
// encoding/json, it refuses invalid UTF-8 and duplicate keys. It skips unknown fields without
// recursion, and stops at 1,024 nested levels. It copies, so a command outlives the read buffer; an
// early version pointed into it.
func decode(encoding Encoding, one []byte) (Method, *protocol.Command, error) {
	// Pongs are the most frequent command, because every idle client sends one after each ping. So
	// they are not decoded.
	if len(one) == 0 || encoding == JSON && string(one) == "{}" {
		return Pong, nil, nil
	}
	if len(one) > MaxHead && len(one)-payload(encoding, one) > MaxHead {
		return 0, nil, ErrTooLong
	}
	command, err := filtered(encoding, one)
	switch {
	case err != nil:
		return 0, nil, err
	case command != nil:
		return classify(command)
	case encoding == JSON:
		lines := protocol.JSONCommandDecoder{}
		_ = lines.Reset(one) // never fails
		if command, err = lines.Decode(); err == io.EOF {
			err = nil // comes together with the last command
		}
	default:
		command = new(protocol.Command)
		err = command.UnmarshalCF(one)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return classify(command)
}

// payload returns how many bytes of a command are its publish, rpc and send requests. It does not
// check that the rest is well formed, because decoding does.
func payload(encoding Encoding, one []byte) int {
	if encoding == JSON {
		// This also matches keys that differ in case. The decoder skips such keys, so they cost
		// nothing.
		var sizes struct{ Publish, RPC, Send size }
		_ = json.Unmarshal(one, &sizes)
		return int(sizes.Publish + sizes.RPC + sizes.Send)
	}
	sum := 0
	for len(one) > 0 {
		field, _, n := protowire.ConsumeField(one)
		if n < 0 {
			break
		}
		switch field {
		case fieldPublish, fieldSend, fieldRPC:
			sum += n
		}
		one = one[n:]
	}
	return sum
}

// The numbers of a command's fields in Protobuf.
const (
	fieldPublish = 7
	fieldSend    = 12
	fieldRPC     = 13
)

// size counts the bytes of the JSON values from which it is decoded.
type size int

// UnmarshalJSON adds the length of value.
func (s *size) UnmarshalJSON(value []byte) error {
	*s += size(len(value))
	return nil
}
