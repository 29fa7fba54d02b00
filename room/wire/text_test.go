package wire_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"webim/room/wire"
)

// TestTextData checks the data of a plain text, and that the text comes back unchanged.
func TestTextData(t *testing.T) {
	for _, c := range []struct{ text, data string }{
		{"", `{"text":""}`},
		{"hello", `{"text":"hello"}`},
		{`{"text":"a"}`, `{"text":"{\"text\":\"a\"}"}`},
		{"a\nb\r\tc", `{"text":"a\nb\r\tc"}`},
		{"\x00\x1b\x7f", "{\"text\":\"\\u0000\\u001b\x7f\"}"},
		{"<b>&amp;</b>", `{"text":"<b>&amp;</b>"}`},
		{"\\\"", `{"text":"\\\""}`},
		{"\u2028\u2029", `{"text":"\u2028\u2029"}`},
		{"été 日本 🎉", `{"text":"été 日本 🎉"}`},
		{"\ufffd", "{\"text\":\"\ufffd\"}"},
		{"\n", `{"text":"\n"}`},
	} {
		data, err := wire.TextData([]byte(c.text))
		if err != nil || string(data) != c.data {
			t.Errorf("%q: %s, %v; want %s", c.text, data, err, c.data)
		}
		if again, err := wire.Data(false, data); err != nil || string(again) != c.data {
			t.Errorf("%q: its data is no data: %s, %v", c.text, again, err)
		}
		if text := wire.DataText(data); string(text) != c.text {
			t.Errorf("%q came back as %q", c.text, text)
		}
	}
	for _, text := range []string{"\xff", "a\xc3", "\xed\xa0\x80"} {
		if data, err := wire.TextData([]byte(text)); !errors.Is(err, wire.ErrBadRequest) {
			t.Errorf("%q: %s, %v", text, data, err)
		}
	}
}

// TestDataText checks how data appears to a plain client.
func TestDataText(t *testing.T) {
	const same = "="
	for _, c := range []struct{ data, text string }{
		{`{"text":"hi"}`, "hi"},
		{`{"text":""}`, ""},
		{` { "text" : "hi" } `, "hi"},
		{`{"text":"hi","a":"b"}`, "hi"},
		{`{"text":"a\\"}`, "a\\"},
		{`{"text":"été 日本 🎉"}`, "été 日本 🎉"},
		{`{"a":[{"text":"no"}],"text":"hi","b":null}`, "hi"},
		{`{"text":"a\nb\u00e9\ud83c\udf89"}`, "a\nbé🎉"},
		{`{"text":"\ud800"}`, "\ufffd"},
		{`{"t\u0065xt":"hi"}`, "hi"},
		{`{"text":"first","text":"last"}`, "last"},
		{`{"text":"first","text":1}`, same},
		{`{"text":1,"text":"last"}`, "last"},
		{`{"Text":"hi"}`, same},
		{`{"TEXT":"hi"}`, same},
		{`{"text":null}`, same},
		{`{"text":["hi"]}`, same},
		{`{"text":{"text":"hi"}}`, same},
		{`{}`, same},
		{`[]`, same},
		{`["text","hi"]`, same},
		{`"text"`, same},
		{`1`, same},
		{`null`, same},
		{`{"text":"hi",`, same}, // this and the following would not pass Data
		{`{"text"`, same},
		{`{"text":`, same},
		{``, same},
	} {
		want := c.text
		if want == same {
			want = c.data
		}
		if text := wire.DataText([]byte(c.data)); string(text) != want {
			t.Errorf("%s shows as %q, want %q", c.data, text, want)
		}
	}
}

// FuzzText converts any text to data and back, and compares with encoding/json.
func FuzzText(f *testing.F) {
	for _, text := range []string{"", "hello", "\x00", "\xff", "<>&", "\u2028", "🎉", `"}` + "\n{}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		data, err := wire.TextData([]byte(text))
		if (err == nil) != utf8.ValidString(text) {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		var back struct{ Text string }
		if json.Unmarshal(data, &back) != nil || back.Text != text || strings.ContainsAny(string(data), "\r\n") {
			t.Fatalf("%q became %q", text, data)
		}
		if got := wire.DataText(data); string(got) != text {
			t.Fatalf("%q came back as %q", text, got)
		}
	})
}
