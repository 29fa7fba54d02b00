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

// Encoding is how a connection of the centrifuge dialect writes messages.
type Encoding uint8

const (
	// JSON is one command, reply or push a line, in text messages.
	JSON Encoding = iota
	// Protobuf is each of them with its length before it, in binary messages.
	Protobuf
)

// The WebSocket subprotocols that clients ask for the encodings with. JSON is
// also spoken where no subprotocol was asked for.
const (
	SubprotocolJSON     = "centrifuge-json"
	SubprotocolProtobuf = "centrifuge-protobuf"
)

// String is the name of the encoding in settings, logs and metrics.
func (e Encoding) String() string {
	if e == Protobuf {
		return "protobuf"
	}
	return "json"
}

// MaxHead is the most bytes of a command, less its publish, rpc or send: these
// three carry data, which is kept as it came and bounded by the size of a
// WebSocket message. All else is taken apart into structures, which may need
// some fifty times its bytes (rooms of nothing but `{}` in a connect command): one
// such command costs 3 MB at most, and for a moment. A filter, which would need a
// hundred times its bytes, is refused before: see filtered. The 64 KB are what other
// servers of the protocol allow for a whole message.
const MaxHead = 64 << 10

// What Decode and Next refuse. All wrap DisconnectBadRequest: the connection
// is closed with it, for what follows could not be trusted to be cut right, and
// sending it again would not help. The commands before it have been handled.
var (
	ErrEmpty       = fmt.Errorf("%w: no command in the message", DisconnectBadRequest)
	ErrTooMany     = fmt.Errorf("%w: too many commands in one message", DisconnectBadRequest)
	ErrTooLong     = fmt.Errorf("%w: a command is longer than %d bytes without being publish, rpc or send", DisconnectBadRequest, MaxHead)
	ErrMalformed   = fmt.Errorf("%w: a command is malformed", DisconnectBadRequest)
	ErrNoID        = fmt.Errorf("%w: a command that needs a reply has no id", DisconnectBadRequest)
	ErrTwoRequests = fmt.Errorf("%w: two requests in one command", DisconnectBadRequest)
)

// Commands are the commands of one WebSocket message, cut off and decoded one by one:
// those that must wait, wait as bytes, which are a tenth of what they decode to and
// can be written down. Not safe for concurrent use.
type Commands struct {
	encoding Encoding
	rest     []byte // of JSON without blanks at its head
	taken    int
	limit    int
}

// Decode begins to decode a WebSocket message of at most limit commands. It refuses a
// message without a command; what else is wrong with a message, Next finds at the
// command where it is. Blank lines of JSON are no commands, and neither is what a
// line has of blanks before and behind its command.
//
// The message is referred to, not changed and not copied, until the last
// command was taken.
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

// Rest is what was not taken yet: itself a message for Decode, or empty. It is
// the end of the message that Decode was given.
func (c *Commands) Rest() []byte { return c.rest }

// Taken is how many commands were taken.
func (c *Commands) Taken() int { return c.taken }

// Skip passes over the commands that were taken when the same message was decoded
// before; left is the length of Rest at that moment.
func (c *Commands) Skip(taken, left int) {
	c.taken, c.rest = taken, c.rest[len(c.rest)-min(left, len(c.rest)):]
}

// Next takes the next command. It returns io.EOF when there is none left, and
// one of the errors above for a command that cannot be understood or is one too many;
// nothing of the message is left then. A pong has no command: nil is returned with it.
//
// The command is the caller's. Nothing in it points into the message.
func (c *Commands) Next() (method Method, command *protocol.Command, err error) {
	if len(c.rest) == 0 {
		return 0, nil, io.EOF
	}
	var one []byte
	if c.taken == c.limit {
		err = ErrTooMany
	} else if one, c.rest, err = cut(c.encoding, c.rest); err == nil {
		c.taken++
		method, command, err = decode(c.encoding, one)
	}
	if err != nil {
		c.rest = nil
	}
	return method, command, err
}

// blank are the bytes that may stand around a JSON value.
var blank = [256]bool{' ': true, '\t': true, '\r': true, '\n': true}

// skipBlanks is what is behind the blanks at the head of b: a run of them is one step,
// however many lines it has.
func skipBlanks(b []byte) []byte {
	for i, c := range b {
		if !blank[c] {
			return b[i:]
		}
	}
	return nil
}

// trimBlanks is b without the blanks at its end.
func trimBlanks(b []byte) []byte {
	for len(b) > 0 && blank[b[len(b)-1]] {
		b = b[:len(b)-1]
	}
	return b
}

var lineEnd = []byte{'\n'}

// cut parts the first command of a message from the others.
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
	if size > uint64(len(message)) { // compared unsigned, before any addition
		return nil, nil, fmt.Errorf("%w: its length goes past the end of the message", ErrMalformed)
	}
	return message[:size], message[size:], nil
}

// decode makes a command of its bytes.
//
// The protocol module's own decoder of JSON is generated code that walks the
// bytes once. encoding/json on the same types is eight times slower: 1.8 µs and
// 11 allocations for a publish of 128 bytes, against 0.22 µs and 4 (the command,
// the request, the channel, the data). It refuses invalid UTF-8 and a key that
// comes twice, which encoding/json does not, skips what is unknown without
// recursion and stops at 1,024 levels of what nests. Copying is what makes a
// command outlive the read buffer; an early version pointed into it.
func decode(encoding Encoding, one []byte) (Method, *protocol.Command, error) {
	// Every idle client sends a pong each time it is pinged: no decoding.
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
		_ = lines.Reset(one) // is never an error
		if command, err = lines.Decode(); err == io.EOF {
			err = nil // what it returns with the last command
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

// payload is how many bytes of a command are its publish, rpc and send. It need
// not see that the rest is well formed: decoding does.
func payload(encoding Encoding, one []byte) int {
	if encoding == JSON {
		// Keys in other letters match too, and only here: the decoder skips
		// them, which costs nothing.
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

// size counts the bytes of the JSON value it is decoded from.
type size int

// UnmarshalJSON adds the length of value.
func (s *size) UnmarshalJSON(value []byte) error {
	*s += size(len(value))
	return nil
}
