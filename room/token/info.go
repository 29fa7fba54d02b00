package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// The values in a token for other users or for the application's backend are checked here,
// once, when the token is parsed: each must be one JSON value, as strict as data that a client
// publishes. If a client's JSON parser refused such a value, every member list with this user
// would fail.

// maxDepth is the maximum nesting depth of a claim's value, the same as for data in a room.
const maxDepth = 50

// valueOf returns the value of a claim that has two forms: JSON, or base64 of JSON. If both are
// there, base64 wins. The base64 alphabet is the standard one with padding, as Centrifugo's
// libraries write it. Nil means that there is no value.
func valueOf(claim string, plain json.RawMessage, b64 string) (json.RawMessage, error) {
	value := []byte(plain)
	if b64 != "" {
		b, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			return nil, invalid("its claim %s is not base64 with padding", claim)
		}
		value = b
	}
	if len(value) == 0 || string(value) == "null" {
		return nil, nil
	}
	if !isValue(value) {
		return nil, invalid("its claim %s is not one JSON value of UTF-8 in which no object has a name twice, at most %d levels deep: in base64, too, it has to be JSON", claim, maxDepth)
	}
	return withoutLineEnds(value), nil
}

// isValue reports whether b is exactly one JSON value that every parser accepts (RFC 7493) and
// that nests at most maxDepth deep.
func isValue(b []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for values := 0; ; {
		switch _, err := d.ReadToken(); {
		case err == io.EOF:
			return values == 1
		case err != nil || d.StackDepth() > maxDepth || values == 1:
			return false
		}
		if d.StackDepth() == 0 {
			values++
		}
	}
}

// withoutLineEnds removes raw line ends. In JSON they are white space, but in the JSON encoding
// of the protocol they end a command or a reply.
func withoutLineEnds(b []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, b)
}
