package policy

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"webim/room/name"
	"webim/room/wire"
)

// TextLimits limit the texts that people send: the field "text" in data, and the messages of the
// plain dialect. A negative number means no limit.
type TextLimits struct {
	Bytes     int // of UTF-8; 0: 16 KiB
	Graphemes int // characters as people count them; 0: 4,000
}

// WithDefaults replaces zeros by the defaults.
func (l TextLimits) WithDefaults() TextLimits {
	l.Bytes = cmp.Or(l.Bytes, 16<<10)
	l.Graphemes = cmp.Or(l.Graphemes, 4000)
	return l
}

// Check returns the fault of a text, as a wire.ErrorCode with a sentence for its author: nothing
// visible, too many bytes or graphemes, or a control character other than tab and line ends. It
// counts the graphemes only if the text has more bytes than graphemes are allowed, because counting
// costs 100 ns a character.
func (l TextLimits) Check(text []byte) error {
	switch {
	case l.Bytes >= 0 && len(text) > l.Bytes:
		return wire.Explain(wire.ErrText, fmt.Sprintf("the text has %d bytes, and %d are allowed: shorten it", len(text), l.Bytes))
	case !name.Visible(text):
		return wire.Explain(wire.ErrText, "the text has nothing that can be seen: write something")
	case hasControls(text):
		return wire.Explain(wire.ErrText, "the text has control characters: remove them")
	case l.Graphemes >= 0 && len(text) > l.Graphemes:
		if n := uniseg.GraphemeClusterCount(string(text)); n > l.Graphemes {
			return wire.Explain(wire.ErrText, fmt.Sprintf("the text has %d characters, and %d are allowed: shorten it", n, l.Graphemes))
		}
	}
	return nil
}

// CheckData is Check for the text in data that have passed wire.Data. Data without a text pass, and
// so does an empty text beside other fields, such as a picture.
func (l TextLimits) CheckData(data []byte) error {
	text, ok := wire.TextOf(data)
	if !ok || len(text) == 0 && !wire.OnlyText(data) {
		return nil
	}
	return l.Check(text)
}

// hasControls reports whether a text has a control character. It checks eight bytes at a time, as
// long as they are visible ASCII.
func hasControls(text []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for i := 0; i < len(text); {
		if i+8 <= len(text) {
			x := binary.LittleEndian.Uint64(text[i:])
			del := x ^ 0x7f*ones
			if ((x-' '*ones)&^x|(del-ones)&^del|x)&high == 0 {
				i += 8
				continue
			}
		}
		c := text[i]
		if c < utf8.RuneSelf {
			if (c < ' ' || c == 0x7f) && c != '\n' && c != '\t' && c != '\r' {
				return true
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if unicode.IsControl(r) {
			return true
		}
		i += n
	}
	return false
}
