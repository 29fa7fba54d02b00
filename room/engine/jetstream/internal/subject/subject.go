// Package subject turns the names of rooms, users and tables into tokens of NATS subjects, and back.
//
// A name is any string. A token consists of ASCII letters, digits, and the characters - _ = ~, and is
// never empty. So it has no dot, wildcard, blank or control character, and does not begin with the $
// of the server's own subjects. A name of letters, digits, - and _ is its own token, so an operator
// can read the subjects of most rooms.
//
// Each name has exactly one token, and no two names share one. Stored messages depend on that: a
// change of the encoding is a change of the stored format.
//
// # The encoding
//
//   - escaped: each byte besides letters, digits, - and _ becomes = and two hexadecimal digits, as
//     in "user=3A42" for "user:42".
//   - packed: ~ and the whole name in unpadded base64url. A name is packed if it is empty, or if the
//     packed token is shorter than the escaped one, as with names in Chinese.
//
// A token is at most 1 byte longer than 4/3 of the name, so a room's name, which has at most
// name.Max bytes, gives at most [MaxRoom] bytes. Token has no limit of its own. The server's limit is
// that of a control line, 4,096 bytes by default, which holds a whole subject and a reply subject:
// two names of 1,024 bytes each fit. Callers limit names before they come here.
//
// Package subject imports only package name, and has no state.
package subject

import (
	"encoding/base64"
	"errors"
	"strings"

	"webim/room/name"
)

// MaxRoom is the maximum length of the token of a room's name, in bytes.
const MaxRoom = 1 + (4*name.Max+2)/3

// ErrToken is the error for a text that is the token of no name.
var ErrToken = errors.New("subject: not a token that webim has written")

const (
	escape = '='
	packed = '~'
	digits = "0123456789ABCDEF"
)

// isPlain reports whether a byte stands for itself in a token.
func isPlain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// Token returns the token of a name. It does not allocate if the name is its own token.
func Token(s string) string {
	special := 0
	for i := range len(s) {
		if !isPlain(s[i]) {
			special++
		}
	}
	size := len(s) + 2*special
	switch {
	case s == "" || 1+base64.RawURLEncoding.EncodedLen(len(s)) < size:
		return string(packed) + base64.RawURLEncoding.EncodeToString([]byte(s))
	case special == 0:
		return s
	}
	var b strings.Builder
	b.Grow(size)
	for i := range len(s) {
		if c := s[i]; isPlain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{escape, digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// Parse returns the name with a token. For each text that Token does not return, also for another
// spelling of a token, the error is ErrToken.
func Parse(token string) (string, error) {
	s, ok := decode(token)
	if !ok || Token(s) != token {
		return "", ErrToken
	}
	return s, nil
}

// decode undoes the encoding. It also accepts spellings that Token does not write.
func decode(token string) (s string, ok bool) {
	if token == "" {
		return "", false
	}
	if token[0] == packed {
		b, err := base64.RawURLEncoding.DecodeString(token[1:])
		return string(b), err == nil
	}
	if strings.IndexByte(token, escape) < 0 {
		return token, true
	}
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == escape {
			if i+2 >= len(token) {
				return "", false
			}
			high, low := strings.IndexByte(digits, token[i+1]), strings.IndexByte(digits, token[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			c, i = byte(high<<4|low), i+2
		}
		b = append(b, c)
	}
	return string(b), true
}
