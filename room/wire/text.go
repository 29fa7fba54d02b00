package wire

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// TextData is the data that a plain text T stands for in the centrifuge
// dialect: {"text":T}, every character of it preserved. What is not UTF-8 is no
// text: ErrBadRequest. A control character takes six bytes, so data may be six
// times as long as its text.
func TextData(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, ErrBadRequest
	}
	var b bytes.Buffer
	b.Grow(len(text) + len(`{"text":""}`) + 1)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // markup is for the page to defuse; six bytes for each < help nobody
	if err := e.Encode(textual{Text: string(text)}); err != nil {
		return nil, ErrInternal
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

type textual struct {
	Text string `json:"text"`
}

// DataText is what a plain client sees of data that passed Data: its text,
// where it is an object with a string of that name (as JavaScript finds it: the
// exact name, and the last of several), else the JSON itself. It is valid UTF-8;
// half a surrogate pair becomes U+FFFD. It may be a part of data.
func DataText(data []byte) []byte {
	// Nearly all that is said comes in just this form.
	if rest, ok := bytes.CutPrefix(data, []byte(`{"text":"`)); ok {
		if text, ok := bytes.CutSuffix(rest, []byte(`"}`)); ok && !bytes.ContainsAny(text, `"\`) {
			return text
		}
	}
	// By token, for a struct would take "Text" and "TEXT" too, and a map would
	// hold all that the object has.
	d := json.NewDecoder(bytes.NewReader(data))
	if first, _ := d.Token(); first != json.Delim('{') {
		return data
	}
	var value json.RawMessage
	var text *string // stays nil at null
	for d.More() {
		key, err := d.Token()
		if err != nil || d.Decode(&value) != nil {
			return data
		}
		if key != "text" {
			continue
		}
		if json.Unmarshal(value, &text) != nil {
			text = nil
		}
	}
	if text == nil {
		return data
	}
	return []byte(*text)
}
