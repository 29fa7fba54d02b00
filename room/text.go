package room

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

// TextLimits bound the texts that people send: what stands as "text" in data,
// and the plain dialect's messages. Negative: no limit.
type TextLimits struct {
	Bytes     int // of UTF-8; 0: 16 KiB
	Graphemes int // characters as people count them; 0: 4,000
}

func (l TextLimits) withDefaults() TextLimits {
	l.Bytes = cmp.Or(l.Bytes, 16<<10)
	l.Graphemes = cmp.Or(l.Graphemes, 4000)
	return l
}

// check says what is wrong with a text, in a sentence for its author: nothing that is
// seen, too many bytes or graphemes, or a control character other than tab and line ends. A
// text is not counted where its bytes are few enough: that costs 100 ns a
// character.
func (l TextLimits) check(text []byte) error {
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

// checkData is check for data that passed wire.Data; data without a text pass, and so
// does an empty text beside something else, such as a picture: that is no text.
func (l TextLimits) checkData(data []byte) error {
	text, ok := wire.TextOf(data)
	if !ok || len(text) == 0 && !wire.OnlyText(data) {
		return nil
	}
	return l.check(text)
}

// hasControls looks at eight bytes at a time, as long as they are visible ASCII.
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
