// Package name judges the names of rooms: each name has one spelling, and no two
// names look the same for lack of a visible difference.
//
// The rule: a name is normalised (NFC) and judged once, where it enters (a path, a
// command, a call, a request of the server API, a claim of a token, an answer of a
// hook, a pattern of the configuration), so that rights that are given to a name hold
// for every spelling of it. Behind the doors all names are as [Room] returns them.
//
// A room whose name begins with # is named after users. What is behind the # is a
// user's id, which is a sequence of bytes that an application chose; so it is judged
// and not normalised.
package name

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/norm"
)

// Max is the most bytes of a name.
const Max = 255

// Error says what is wrong with a name, in a sentence for whoever sent it.
type Error string

// Error is the sentence.
func (e Error) Error() string { return string(e) }

// Room is the one spelling of a room's name. A name is 1 to Max bytes of UTF-8 with
// visible characters and single spaces between them. Refused are control characters,
// line separators, and all that Unicode calls format characters or default-ignorable
// ones, among them bidirectional controls: they could make two names look alike, or a
// line of the log lie. The joiner of an emoji sequence is part of that emoji. A
// variation selector behind an emoji is left out: with it and without it are one name.
//
// The error is an Error. Room does not allocate for a name that is in its one
// spelling.
func Room(text string) (string, error) {
	if len(text) > Max { // first: the others cost what the text is long
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

// Normal is the spelling that Room gives a name, without judging it. It is for
// patterns, which may hold less, or more, than a name.
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

// tooManyMarks reports whether NFC has put a combining grapheme joiner (U+034F) into a
// text, as Go's does behind 30 combining marks in a row (Unicode Standard Annex 15, the
// Stream-Safe Text Format). No language has so many, and the text is no longer what was typed.
func tooManyMarks(text, normal string) bool {
	const graphemeJoiner = "\u034f"
	return strings.Count(normal, graphemeJoiner) > strings.Count(text, graphemeJoiner)
}

// isPlain reports whether a text is visible ASCII, as nearly all names are.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= utf8.RuneSelf-1 {
			return false
		}
	}
	return text != ""
}

func check(text string) error {
	if len(text) > Max { // NFC makes some texts longer
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
	joiner        = '\u200d'     // between the parts of an emoji
	emojiSelector = '\ufe0f'     // asks for the picture instead of the letter
	blankBraille  = '\u2800'     // a pattern of no dots: a symbol by its category, and white on white
	nullNotehead  = '\U0001d159' // a note without a head, as blank
)

// isSpace reports whether nothing of a character is seen but the room that it takes.
func isSpace(r rune) bool { return unicode.In(r, unicode.Zs) || r == blankBraille }

// isInvisible reports whether a character is a format character (Cf), unless it is
// drawn around the next ones, or is default-ignorable: DerivedCoreProperties.txt makes
// that property of Other_Default_Ignorable_Code_Point, Cf and Variation_Selector.
func isInvisible(r rune) bool {
	if unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Noncharacter_Code_Point)
}

// Visible reports whether anything of a text is seen: whether it has a character that
// is neither white space nor invisible nor a mark on another one. It does not allocate.
func Visible(text []byte) bool {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if !unicode.IsSpace(r) && !isSpace(r) && r != nullNotehead && !unicode.IsControl(r) && !isInvisible(r) && !unicode.In(r, unicode.M, unicode.Zl, unicode.Zp) {
			return true
		}
		text = text[n:]
	}
	return false
}

// isPicture reports whether a character can be an emoji: nearly all are symbols, and
// the rest begins a keycap.
func isPicture(r rune) bool {
	return unicode.In(r, unicode.So, unicode.Sm, unicode.Po) || r >= '0' && r <= '9' || r == '\u3030' || r == '\u303d'
}

// joins reports whether the joiner at i is inside of one emoji: the pictures around it
// are one grapheme (UAX #29, rule GB11).
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
