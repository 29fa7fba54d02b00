package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// What a token says for others to see, or for the application's backend, is judged
// here, once, when the token is read: it is one JSON value, as strict as data that a
// client publishes. A value that some reader refuses would fail each list that has
// the token's user in it.

// maxDepth is how deep the value of a claim may nest; as data in a room may.
const maxDepth = 50

// valueOf is the value of a claim that may come as JSON or, in base64, as the bytes
// of JSON; base64 goes first. Centrifugo's libraries write the common alphabet with
// padding. Nil: there is none.
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

// isValue reports whether b is one JSON value that every reader takes (RFC 7493), and
// not too deep.
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

// withoutLineEnds removes raw line ends, which are spaces in JSON and end a command
// or a reply in the JSON encoding of the protocol.
func withoutLineEnds(b []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, b)
}
