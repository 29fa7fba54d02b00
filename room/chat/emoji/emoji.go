// Package emoji knows which texts are exactly one emoji.
package emoji

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"
)

// The emoji that Unicode recommends for general interchange (RGI, UTS #51), fully qualified, one
// per line. .ci/vendor fetches them.
//
//go:embed emoji.txt
var list string

// selector asks for the picture instead of the text form.
const selector = "\ufe0f"

// all maps each emoji without selectors to its fully qualified form.
var all = sync.OnceValue(func() map[string]string {
	forms := map[string]string{}
	for e := range strings.Lines(list) {
		e = strings.TrimSuffix(e, "\n")
		forms[strings.ReplaceAll(e, selector, "")] = e
	}
	return forms
})

const (
	// maxBytes is larger than the number of bytes of any emoji.
	maxBytes = 64
	// pictures is the first character of the blocks of pictures. Emoji before it, such as © and ↔,
	// are text unless they are fully qualified.
	pictures = '\u2600'
)

// Of returns the fully qualified form of an emoji, so that a heart with and without a selector
// is one reaction. ok is false if text is not exactly one emoji.
func Of(text string) (emoji string, ok bool) {
	if len(text) > maxBytes {
		return "", false
	}
	emoji, ok = all()[strings.ReplaceAll(text, selector, "")]
	first, _ := utf8.DecodeRuneInString(text)
	return emoji, ok && (text == emoji || first >= pictures)
}
