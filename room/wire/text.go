package wire

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// TextData returns the data that represents a plain text in the centrifuge dialect: {"text":T},
// with every character preserved. If text is not UTF-8, the error is ErrBadRequest. A control
// character takes six bytes, so data may be six times as long as its text.
func TextData(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, ErrBadRequest
	}
	var b bytes.Buffer
	b.Grow(len(text) + len(`{"text":""}`) + 1)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the page escapes markup; six bytes for each < would help nobody
	if err := e.Encode(textual{Text: string(text)}); err != nil {
		return nil, ErrInternal
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

type textual struct {
	Text string `json:"text"`
}

// DataText returns data that passed Data as a plain client sees it: its text, or if it has none,
// the JSON itself. The result may be a part of data.
func DataText(data []byte) []byte {
	if text, ok := TextOf(data); ok {
		return text
	}
	return data
}

// OnlyText reports whether data, in which TextOf found a text, has no other fields.
func OnlyText(data []byte) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	var first json.RawMessage
	for range 2 { // the brace and the name
		if _, err := d.Token(); err != nil {
			return false
		}
	}
	return d.Decode(&first) == nil && !d.More()
}

// TextOf returns the text in data that passed Data, if data is an object with a string named
// exactly "text". The text is valid UTF-8 and may be a part of data.
func TextOf(data []byte) (text []byte, ok bool) {
	// Nearly all messages have this form.
	if rest, ok := bytes.CutPrefix(data, []byte(`{"text":"`)); ok {
		if text, ok := bytes.CutSuffix(rest, []byte(`"}`)); ok && bytes.IndexByte(text, '"') < 0 && bytes.IndexByte(text, '\\') < 0 {
			return text, true
		}
	}
	if !bytes.Contains(data, []byte("text")) && !bytes.Contains(data, []byte(`\u`)) {
		return nil, false
	}
	// Read token by token, because a struct would also match "Text" and "TEXT", and a map would
	// hold the whole object.
	d := json.NewDecoder(bytes.NewReader(data))
	if first, _ := d.Token(); first != json.Delim('{') {
		return nil, false
	}
	var value json.RawMessage
	var last *string // stays nil for null
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
