package wire

import (
	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep the arrays and objects of data may nest. With the reply
// around it, data of this depth still fits the parsers of all clients: .NET's
// stops at 64 levels, and a history or a connect reply puts up to six around.
const MaxDepth = 50

// Data looks at the data that a client, a backend or a token brings for a room,
// and returns it as the room keeps it and sends it: one JSON value as [Valid] has
// it, without raw line ends (which are spaces in JSON: nothing is lost), at
// most MaxDepth deep. Anything else, nothing at all too, is ErrBadRequest. A
// Protobuf sender's data is any bytes until it was here; unseen it could
// pretend to be frames of the server on the JSON connections of others.
//
// A room that is marked binary takes any bytes, as they are.
//
// The result is data itself, or a copy where there were line ends.
func Data(binary bool, data []byte) ([]byte, error) {
	if binary {
		return data, nil
	}
	deepest, lineEnds := outline(data)
	// Depth first: the validator keeps a stack.
	if deepest > MaxDepth || !Valid(data) {
		return nil, ErrBadRequest
	}
	if lineEnds == 0 {
		return data, nil
	}
	line := make([]byte, 0, len(data)-lineEnds)
	for _, c := range data {
		if c != '\n' && c != '\r' {
			line = append(line, c)
		}
	}
	return line, nil
}

// Valid reports whether data is one JSON value that every reader of webim takes:
// the strict readers of calls and of the server API refuse an object with a name
// that is there twice, bytes that are not UTF-8, and an escape that is half a
// surrogate pair (RFC 7493, I-JSON). So what passes here fails nobody who reads it.
func Valid(data []byte) bool { return jsontext.Value(data).IsValid() }

// Admit tells whether a connection of that encoding may be in a room. Bytes that
// are no JSON cannot be said in JSON, so a room that is marked binary is for
// Protobuf connections only: DisconnectInappropriateProtocol, else nil.
func Admit(encoding Encoding, binary bool) error {
	if binary && encoding != Protobuf {
		return DisconnectInappropriateProtocol
	}
	return nil
}

// outline goes over JSON once, without a stack, and tells how deep it nests and
// how many raw line ends it has. Of what is not JSON it says something.
func outline(data []byte) (deepest, lineEnds int) {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\n' || c == '\r':
			lineEnds++
		case inString:
			if c == '\\' {
				i++ // whatever it is, it ends no string
			} else if c == '"' {
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest, lineEnds
}
