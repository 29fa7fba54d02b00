package wire

import (
	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep arrays and objects in data may nest. With the reply around it, such data
// still fits the parsers of all clients: .NET's stops at 64 levels, and a history or a connect
// reply adds up to six.
const MaxDepth = 50

// Data checks data for a room that comes from a client, a backend or a token, and returns it as the
// room stores and sends it: one JSON value that is Valid and at most MaxDepth deep, without raw
// line ends, which are only white space in JSON. Anything else, including no data, is
// ErrBadRequest. The data of a Protobuf sender may be any bytes before this check; without the
// check it could look like replies of the server on the JSON connections of others.
//
// If binary is true, the room is marked binary, and Data returns any bytes unchanged.
//
// The result is data itself, or a copy if there were line ends.
func Data(binary bool, data []byte) ([]byte, error) {
	if binary {
		return data, nil
	}
	if isPlain(data) {
		return data, nil
	}
	deepest, lineEnds := outline(data)
	// Check the depth first, because the validator keeps a stack.
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

// Valid reports whether data is one JSON value that every reader in webim accepts. The strict
// readers of calls and of the server API refuse objects with duplicate names, bytes that are not
// UTF-8, and escapes that are half a surrogate pair (RFC 7493, I-JSON). So valid data never makes a
// reader fail.
func Valid(data []byte) bool { return jsontext.Value(data).IsValid() }

// Admit reports whether a connection with the given encoding may join a room. JSON cannot represent
// arbitrary bytes, so a room that is marked binary only admits Protobuf connections. The error is
// DisconnectInappropriateProtocol.
func Admit(encoding Encoding, binary bool) error {
	if binary && encoding != Protobuf {
		return DisconnectInappropriateProtocol
	}
	return nil
}

// outline scans JSON once, without a stack, and returns how deep it nests and how many raw line
// ends it has. If data is not JSON, the results have no meaning.
func outline(data []byte) (deepest, lineEnds int) {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\n' || c == '\r':
			lineEnds++
		case inString:
			if c == '\\' {
				i++ // an escaped character does not end the string
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
