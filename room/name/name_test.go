package name

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// TestRoomHasOneSpelling checks that all spellings of a name give the same room.
func TestRoomHasOneSpelling(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"lobby", "lobby"}, {"a b", "a b"}, {"%2F", "%2F"}, {"<script>", "<script>"},
		{"cafe\u0301", "café"}, {"café", "café"}, {"\u212b", "Å"}, {"\u1100\u1161", "가"},
		{"été 日本 🎉", "été 日本 🎉"},
		{"👩\u200d💻", "👩\u200d💻"}, {"👨\u200d👩\u200d👧 club", "👨\u200d👩\u200d👧 club"}, {"👩🏽\u200d🚀", "👩🏽\u200d🚀"},
		{"❤\ufe0f", "❤"}, {"🏳\ufe0f\u200d🌈", "🏳\u200d🌈"}, {"1\ufe0f\u20e3", "1\u20e3"}, {"🇩🇪", "🇩🇪"},
		{"#jose\u0301", "#jose\u0301"}, {"#a,b", "#a,b"}, {"$x7", "$x7"},
		{strings.Repeat("x", Max), strings.Repeat("x", Max)},
	} {
		if got, err := Room(c.text); err != nil || got != c.want {
			t.Errorf("%+q: %+q, %v; want %+q", c.text, got, err, c.want)
		}
	}
}

// TestRoomRefuses checks that names that look like others, and invalid names, are refused.
func TestRoomRefuses(t *testing.T) {
	for _, text := range []string{
		"", strings.Repeat("x", Max+1), "\xff", "a\x00", "a\nb", "a\tb", "\u2028",
		"lobby\u200b", "lob\u00adby", "lobby\u2060", "\ufefflobby", "lobby\u3164", "lobby\u115f", "lob\u034fby", "lobby\u180e", "lobby\u200c", "lobby\u200d",
		"lob\u200dby", "\u200dlobby", "lobby\u202e", "lobby\u2066", "lobby\u061c", "lobby\ufe00", "lobby\ufe0f", "lobby\U000e0061", "lobby\U000e0100", "lobby\uffff",
		"👩\u200d", "👩\u200d\u200d💻", "a\u200d💻", "lobby\ufff9",
		" lobby", "lobby ", "lobby\u00a0", "\u3000lobby", "lob  by", "lob\u00a0by", "lobby\u2003", "lobby\u2800", " ", "#anna\u200b,bob", "#bob ", "$x\u2060",
	} {
		if got, err := Room(text); err == nil {
			t.Errorf("%+q is a name: %+q", text, got)
		} else if text := err.Error(); len(text) > 120 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("the error is %q, which must not be logged", text)
		}
	}
}

// NFC puts a character behind 30 combining marks that nobody typed: the error names the
// marks, and not that character.
func TestTooManyMarks(t *testing.T) {
	for name, judge := range map[string]func(string) (string, error){"room": Room, "person": Person} {
		for marks, want := range map[int]bool{1: true, 29: true, 30: true, 31: false, 100: false} {
			for _, mark := range []string{"\u0335", "\u0301", "\u05b0"} {
				_, err := judge("a" + strings.Repeat(mark, marks) + "b")
				if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "combining marks") {
					t.Errorf("%s with %d of %+q: %v", name, marks, mark, err)
				}
			}
		}
		if _, err := judge("a\u034fb"); err == nil || !strings.Contains(err.Error(), "U+034F") {
			t.Errorf("%s with U+034F: %v", name, err)
		}
	}
}

func TestRoomDoesNotAllocate(t *testing.T) {
	for _, text := range []string{"team-7", "café", "日本"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = Room(text) }); n != 0 {
			t.Errorf("%q: %v allocations", text, n)
		}
	}
}

// FuzzRoom checks that Room is idempotent and that its results have no invisible characters.
func FuzzRoom(f *testing.F) {
	for _, text := range []string{"lobby", "cafe\u0301", "👩\u200d💻", "❤\ufe0f\ufe0f", "a\u200db", "\u1100\u1161\u11a8"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Room(text)
		if err != nil {
			return
		}
		if again, err := Room(got); err != nil || again != got {
			t.Fatalf("%+q is %+q, which is %+q, %v", text, got, again, err)
		}
		if got[0] != '#' && !norm.NFC.IsNormalString(got) {
			t.Fatalf("%+q is not NFC", got)
		}
		for _, r := range got {
			if unicode.Is(unicode.Cf, r) && r != joiner && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
				t.Fatalf("%+q has %U", got, r)
			}
		}
	})
}

func TestVisible(t *testing.T) {
	for _, text := range []string{"a", ".", " a ", "\u200ba", "👍", "❤", "🇨🇳", "é", "日本", "\u0905\u093f", "1️⃣", "\n\tx", "\ufffd", "\U0001F9FF", "_", "\u0600"} {
		if !Visible([]byte(text)) {
			t.Errorf("%+q is not visible", text)
		}
	}
	for _, text := range []string{"", " ", "\n", "\t \r", "\u00a0", "\u3000", "\u200b", "\u200c\u200d", "\ufeff", "\u00ad", "\u2060\u2061", "\u2800", "\u3164",
		"\u115f\u1160", "\uffa0", "\u180e", "\u202e", "\ufe0f", "\U000e0001\U000e0041", "\U0001d159", "\ufff9\ufffb", "\u2065", "\U000e0fff", "\U00016fe4", "\u0301", "\u20dd", "\u034f", "\u2028", "\x00", "\u17b4", "\U0001d173"} {
		if Visible([]byte(text)) {
			t.Errorf("%+q is visible", text)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Visible([]byte("\u200b\u200b\u3000 a")) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
