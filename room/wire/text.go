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

// DataText is what a plain client sees of data that passed Data: its text, else
// the JSON itself. It may be a part of data.
func DataText(data []byte) []byte {
	if text, ok := TextOf(data); ok {
		return text
	}
	return data
}

// OnlyText reports whether data of which TextOf found a text has nothing besides it.
func OnlyText(data []byte) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	var first json.RawMessage
	for range 2 { // the brace, the name
		if _, err := d.Token(); err != nil {
			return false
		}
	}
	return d.Decode(&first) == nil && !d.More()
}

// TextOf is the text in data that passed Data, where that is an object with a
// string of exactly that name. It is valid UTF-8 and may be a part of data.
func TextOf(data []byte) (text []byte, ok bool) {
	// Nearly all that is said comes in just this form.
	if rest, ok := bytes.CutPrefix(data, []byte(`{"text":"`)); ok {
		if text, ok := bytes.CutSuffix(rest, []byte(`"}`)); ok && !bytes.ContainsAny(text, `"\`) {
			return text, true
		}
	}
	if !bytes.Contains(data, []byte("text")) && !bytes.Contains(data, []byte(`\u`)) {
		return nil, false
	}
	// By token, for a struct would take "Text" and "TEXT" too, and a map would
	// hold all that the object has.
	d := json.NewDecoder(bytes.NewReader(data))
	if first, _ := d.Token(); first != json.Delim('{') {
		return nil, false
	}
	var value json.RawMessage
	var last *string // stays nil at null
	for d.More() {
		key, err := d.Token()
		if err != nil || d.Decode(&value) != nil {
			return nil, false
		}
		if key != "text" {
			continue
		}
		if json.Unmarshal(value, &last) != nil {
			last = nil
		}
	}
	if last == nil {
		return nil, false
	}
	return []byte(*last), true
}
