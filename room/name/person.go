package name

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Person returns the normal spelling of a name that a person chooses, as guests do: in NFC,
// with single spaces. Unlike a room's name it may contain joiners between letters and variation
// selectors, because some scripts need them. Person refuses names without any visible
// character, other invisible characters, control characters, and bidirectional controls, which
// would reorder the line around the name.
//
// The error is an Error.
func Person(text string) (string, error) {
	switch {
	case len(text) > Max:
		return "", Error(fmt.Sprintf("name is %d bytes long, at most %d are allowed", len(text), Max))
	case !utf8.ValidString(text):
		return "", Error("name is not UTF-8")
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) }):
		return "", Error("name has control characters")
	}
	normal := norm.NFC.String(text)
	if tooManyMarks(text, normal) {
		return "", errMarks
	}
	text = strings.Join(strings.FieldsFunc(normal, isSpace), " ")
	for _, r := range text {
		if isInvisible(r) && r != joiner && r != nonJoiner && !unicode.Is(unicode.Variation_Selector, r) {
			return "", Error(fmt.Sprintf("name has a character that cannot be seen, U+%04X", r))
		}
	}
	if len(text) > Max || !Visible([]byte(text)) {
		return "", Error("name has no visible character, or is too long")
	}
	return text, nil
}

const nonJoiner = '\u200c' // keeps two letters apart, in Persian and in Indian scripts
