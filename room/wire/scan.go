package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Most data is one small JSON object, as JSON.stringify writes it. This file recognizes such data
// in one pass: about 50 ns for 128 bytes, against 400 ns for the validator and 150 ns for the
// protocol's decoder. It says "yes" only if both accept the data, and leaves all other data to
// them: \u escapes, line ends and tabs between tokens, and more than the limits below.

const (
	plainDepth = 8 // nested objects and arrays, at most MaxDepth
	plainNames = 8 // names of one object, which are compared with each other
)

// isPlain reports whether data is one JSON value, without line ends, at most plainDepth deep, in
// UTF-8, without \u escapes, and without duplicate names.
func isPlain(data []byte) bool { return plainValue(data, 0, 0) == len(data) }

// plainValue returns the index after the value that begins at b[i], or -1 if it is not plain.
func plainValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch c := b[i]; {
	case c == '"':
		return plainString(b, i+1)
	case c == '{' && depth < plainDepth:
		return plainObject(b, i+1, depth+1)
	case c == '[' && depth < plainDepth:
		return plainArray(b, i+1, depth+1)
	case c == '-' || isDigit(c):
		return plainNumber(b, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
			return i + len(word)
		}
	}
	return -1
}

// plainString returns the index after the string of which b[i] is the first character.
func plainString(b []byte, i int) int {
	for {
		for i+8 <= len(b) {
			x := notable(binary.LittleEndian.Uint64(b[i:]))
			i += bits.TrailingZeros64(x) / 8 // 8 if there is none
			if x != 0 {
				break
			}
		}
		if i >= len(b) {
			return -1
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i+1 >= len(b) || bytes.IndexByte([]byte(`"\/bfnrt`), b[i+1]) < 0 {
				return -1
			}
			i += 2
		case c < ' ':
			return -1
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return -1
			}
			i += n
		}
	}
}

// notable returns a number that is 0 if the eight bytes of x are characters of a string that stand
// for themselves and are ASCII. Otherwise its lowest bit belongs to the first byte that is not.
func notable(x uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, slash := x^'"'*ones, x^'\\'*ones
	return ((quote-ones)&^quote | (slash-ones)&^slash | (x-' '*ones)&^x | x) & high
}

// plainObject returns the index after the object whose brace is before b[i].
func plainObject(b []byte, i, depth int) int {
	var names [plainNames][]byte
	if i = skipSpaces(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for n := range names {
		if i = skipSpaces(b, i); i >= len(b) || b[i] != '"' {
			return -1
		}
		end := plainString(b, i+1)
		if end < 0 {
			return -1
		}
		name := b[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 { // it may equal another name that is written otherwise
			return -1
		}
		for _, other := range names[:n] {
			if bytes.Equal(name, other) {
				return -1
			}
		}
		names[n] = name
		if i = skipSpaces(b, end); i >= len(b) || b[i] != ':' {
			return -1
		}
		var ended bool
		if i, ended = plainItem(b, i+1, depth, '}'); ended || i < 0 {
			return i
		}
	}
	return -1
}

// plainArray returns the index after the array whose bracket is before b[i].
func plainArray(b []byte, i, depth int) int {
	if i = skipSpaces(b, i); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		var ended bool
		if i, ended = plainItem(b, i, depth, ']'); ended || i < 0 {
			return i
		}
	}
}

// plainItem returns the index after a value in an object or array, and after the comma or the end
// that follows it.
func plainItem(b []byte, i, depth int, end byte) (next int, ended bool) {
	if i = plainValue(b, skipSpaces(b, i), depth); i < 0 {
		return -1, false
	}
	if i = skipSpaces(b, i); i >= len(b) || b[i] != end && b[i] != ',' {
		return -1, false
	}
	return i + 1, b[i] == end
}

func skipSpaces(b []byte, i int) int {
	for i < len(b) && b[i] == ' ' {
		i++
	}
	return i
}

// plainNumber returns the index after the number that begins at b[i].
func plainNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	first := i
	if i = skipDigits(b, i); i == first || b[first] == '0' && i > first+1 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if first, i = i+1, skipDigits(b, i+1); i == first {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if first, i = i, skipDigits(b, i); i == first {
			return -1
		}
	}
	return i
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
