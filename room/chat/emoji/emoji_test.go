package emoji

import "testing"

func TestEmoji(t *testing.T) {
	for text, want := range map[string]string{
		"👍": "👍", "👍🏽": "👍🏽", "❤": "❤️", "❤️": "❤️", "☺": "☺️", "🇨🇳": "🇨🇳", "1️⃣": "1️⃣", "©️": "©️", "↔️": "↔️", "⌚": "⌚",
		"👨‍👩‍👧": "👨‍👩‍👧", "❤‍🔥": "❤️‍🔥", "❤️‍🔥": "❤️‍🔥", "🏴󠁧󠁢󠁥󠁮󠁧󠁿": "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🫩": "🫩", "🏳️‍🌈": "🏳️‍🌈", "🏳‍🌈": "🏳️‍🌈", "👍\ufe0f": "👍",
	} {
		if got, ok := Of(text); !ok || got != want {
			t.Errorf("%q (%+q): %+q, %v", text, text, got, ok)
		}
	}
	for _, text := range []string{
		"", "a", "1", "#", "©", "®", "™", "±", "∞", "↔", "‼", "ℹ", "🇨", "🇿🇿", "👍👍", "👍x", " 👍", "👍 ", "\ufe0f", "\u200d", "👍\u200d", "🏽🏽", "☺☺", "✓", "★",
		"👨‍👩", "1\u20e3\u20e3", "🏴\U000e0067", "<", "\u0000", "👍\ufe0e", "\xf0\x9f",
	} {
		if got, ok := Of(text); ok {
			t.Errorf("%q (%+q) is an emoji: %+q", text, text, got)
		}
	}
	if n := len(all()); n < 3900 {
		t.Errorf("there are %d emoji", n)
	}
}
