package chat

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"
)

// The emoji that Unicode recommends for general interchange (RGI, UTS #51), fully
// qualified, one a line; .ci/vendor fetches them.
//
//go:embed emoji/emoji.txt
var emojiText string

// emojiSelector asks for the picture instead of the letter.
const emojiSelector = "\ufe0f"

// emojis are the emoji by their spelling without selectors.
var emojis = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for e := range strings.Lines(emojiText) {
		e = strings.TrimSuffix(e, "\n")
		all[strings.ReplaceAll(e, emojiSelector, "")] = e
	}
	return all
})

const (
	// maxEmoji is more bytes than any emoji has.
	maxEmoji = 64
	// pictures is where the blocks of pictures begin. Characters before it that are
	// emoji, such as © and ↔, are text unless they are fully qualified.
	pictures = '\u2600'
)

// emojiOf is the one spelling of an emoji, fully qualified: a heart with and without a
// selector is one reaction. ok is false if the text is not exactly one emoji.
func emojiOf(text string) (emoji string, ok bool) {
	if len(text) > maxEmoji {
		return "", false
	}
	emoji, ok = emojis()[strings.ReplaceAll(text, emojiSelector, "")]
	first, _ := utf8.DecodeRuneInString(text)
	return emoji, ok && (text == emoji || first >= pictures)
}
