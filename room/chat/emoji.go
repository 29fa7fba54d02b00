package chat

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"
)

// The emoji that Unicode recommends for general interchange (RGI, UTS #51), fully qualified, one
// per line. .ci/vendor fetches them.
//
//go:embed emoji/emoji.txt
var emojiText string

// emojiSelector asks for the picture instead of the text form.
const emojiSelector = "\ufe0f"

// emojis maps each emoji without selectors to its fully qualified form.
var emojis = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for e := range strings.Lines(emojiText) {
		e = strings.TrimSuffix(e, "\n")
		all[strings.ReplaceAll(e, emojiSelector, "")] = e
	}
	return all
})

const (
	// maxEmoji is larger than the number of bytes of any emoji.
	maxEmoji = 64
	// pictures is the first character of the blocks of pictures. Emoji before it, such as © and ↔,
	// are text unless they are fully qualified.
	pictures = '\u2600'
)

// emojiOf returns the fully qualified form of an emoji, so that a heart with and without a selector
// is one reaction. ok is false if text is not exactly one emoji.
func emojiOf(text string) (emoji string, ok bool) {
	if len(text) > maxEmoji {
		return "", false
	}
	emoji, ok = emojis()[strings.ReplaceAll(text, emojiSelector, "")]
	first, _ := utf8.DecodeRuneInString(text)
	return emoji, ok && (text == emoji || first >= pictures)
}
