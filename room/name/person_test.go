package name

import "testing"

func TestPerson(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"ann", "ann"}, {"  Ann  B. ", "Ann B."}, {"山田\u3000太郎", "山田 太郎"}, {"Jose\u0301", "José"}, {"می\u200cخواهم", "می\u200cخواهم"},
		{"क्\u200dष", "क्\u200dष"}, {"❤\ufe0f", "❤\ufe0f"}, {"Ann\u00a0B", "Ann B"},
		{"", ""}, {" ", ""}, {"\u200d", ""}, {"\u3164", ""}, {"a\u200b", ""}, {"a\u202eb", ""}, {"a\nb", ""}, {"\u2028", ""}, {"\xff", ""}, {"\u2800", ""}, {"a\u00ad", ""},
	} {
		got, err := Person(c.text)
		if (err == nil) != (c.want != "") || got != c.want {
			t.Errorf("%+q: %+q, %v; want %+q", c.text, got, err, c.want)
		}
	}
}
