// Package name validates and normalizes the names of rooms: each name has one spelling, and no
// two names look alike because their difference is invisible.
//
// The rule: a name is normalized (NFC) and validated once, where it enters the server (a path,
// a command, a call, a request of the server API, a claim of a token, an answer of a hook, a
// pattern of the configuration). So rights that are granted to a name hold for every spelling
// of it. Behind these entry points, all names are as [Room] returns them.
//
// If a room's name begins with #, the rest consists of user ids. A user id is a byte sequence
// that an application chose, so the name is validated but not normalized.
package name

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"
)

// Max is the maximum length of a name in bytes.
const Max = 255

// Error describes the fault of a name, in a sentence for the sender.
type Error string

// Error returns the sentence.
func (e Error) Error() string { return string(e) }

// Room returns the normal spelling of a room's name. A name has 1 to Max bytes of UTF-8, with
// visible characters and single spaces between them. Room refuses control characters, line
// separators, and all characters that Unicode calls format characters or default-ignorable,
// such as bidirectional controls: they could make two names look alike, or make a log line
// misleading. The joiner in an emoji sequence is part of the emoji. Room removes a variation
// selector after an emoji, so that the name is the same with and without it.
//
// The error is an Error. Room does not allocate for a name of visible ASCII.
func Room(text string) (string, error) {
	if len(text) > Max { // first, because the cost of the other checks grows with the length
		return "", Error(fmt.Sprintf("room name is %d bytes long, at most %d are allowed", len(text), Max))
	}
	if isPlain(text) {
		return text, nil
	}
	switch {
	case text == "":
		return "", Error("room name is empty")
	case !utf8.ValidString(text):
		return "", Error("room name is not UTF-8")
	}
	if text[0] != '#' {
		normal := Normal(text)
		if tooManyMarks(text, normal) {
			return "", errMarks
		}
		text = normal
	}
	if err := check(text); err != nil {
		return "", err
	}
	return text, nil
}

// Normal returns the spelling that Room gives a name, without validating it. It is for
// patterns, which need not be valid names.
func Normal(text string) string {
	text = norm.NFC.String(text)
	if !strings.ContainsRune(text, emojiSelector) {
		return text
	}
	var out strings.Builder
	var last rune
	for _, r := range text {
		if r != emojiSelector || !isPicture(last) {
			out.WriteRune(r)
		}
		last = r
	}
	return out.String()
}

// errMarks is the error for a text with tooManyMarks.
const errMarks = Error("a character of the name has more than 30 combining marks")

// tooManyMarks reports whether NFC has inserted a combining grapheme joiner (U+034F) into text.
// Go's implementation does that after 30 combining marks in a row (Unicode Standard Annex 15,
// Stream-Safe Text Format). No language has so many marks, and the result differs from the text
// that the user typed.
func tooManyMarks(text, normal string) bool {
	const graphemeJoiner = "\u034f"
	return strings.Count(normal, graphemeJoiner) > strings.Count(text, graphemeJoiner)
}

// isPlain reports whether text is visible ASCII, as nearly all names are.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= utf8.RuneSelf-1 {
			return false
		}
	}
	return text != ""
}

func check(text string) error {
	if len(text) > Max { // NFC lengthens some texts
		return Error(fmt.Sprintf("room name is %d bytes long in the normal form NFC, at most %d are allowed", len(text), Max))
	}
	last := ' '
	for i, r := range text {
		switch {
		case isSpace(r):
			if r != ' ' || last == ' ' {
				return Error("room name has white space other than single spaces between other characters")
			}
		case r == joiner && joins(text, i):
		case unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control):
			return Error("room name has control characters")
		case isInvisible(r):
			return Error(fmt.Sprintf("room name has a character that cannot be seen, U+%04X", r))
		}
		last = r
	}
	if last == ' ' {
		return Error("room name has white space at an end")
	}
	return nil
}

const (
	joiner        = '\u200d'     // joins the parts of an emoji
	emojiSelector = '\ufe0f'     // asks for the picture instead of the letter
	blankBraille  = '\u2800'     // a pattern without dots: its category is symbol, but it is blank
	nullNotehead  = '\U0001d159' // a note without a head, also blank
)

// isSpace reports whether a character only takes up space.
func isSpace(r rune) bool { return unicode.In(r, unicode.Zs) || r == blankBraille }

// isInvisible reports whether a character is invisible: a format character (Cf), except those
// that are drawn around the next characters, or a default-ignorable character.
// DerivedCoreProperties.txt derives that property from Other_Default_Ignorable_Code_Point, Cf
// and Variation_Selector.
func isInvisible(r rune) bool {
	if unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Noncharacter_Code_Point)
}

// Visible reports whether text has any visible character: one that is neither white space nor
// invisible nor a combining mark. It does not allocate.
func Visible(text []byte) bool {
	for len(text) > 0 {
		if c := text[0]; c > ' ' && c < 0x7f { // most texts begin so
			return true
		}
		r, n := utf8.DecodeRune(text)
		if !unicode.IsSpace(r) && !isSpace(r) && r != nullNotehead && !unicode.IsControl(r) && !isInvisible(r) && !unicode.In(r, unicode.M, unicode.Zl, unicode.Zp) {
			return true
		}
		text = text[n:]
	}
	return false
}

// isPicture reports whether a character can be an emoji: nearly all emojis are symbols, and the
// others begin a keycap sequence.
func isPicture(r rune) bool {
	return unicode.In(r, unicode.So, unicode.Sm, unicode.Po) || r >= '0' && r <= '9' || r == '\u3030' || r == '\u303d'
}

// joins reports whether the joiner at i is inside one emoji: the characters around it belong to
// one grapheme (UAX #29, rule GB11).
func joins(text string, i int) bool {
	next, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(joiner):])
	if !unicode.Is(unicode.So, next) {
		return false
	}
	state, from := -1, 0
	for rest := text; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if to := from + len(cluster); i < to {
			return i+utf8.RuneLen(joiner) < to && i > from
		}
		from += len(cluster)
	}
	return false
}
