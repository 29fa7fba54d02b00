package envelope

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/room/engine"
)

// box is a sealed part: this package does not look into it.
var box = []byte("key id..nonce.......ciphertextciphertext")

// examples are the messages in the golden file, by name.
var examples = []struct {
	name string
	m    Envelope
}{
	{"empty", Envelope{Op: ws.OpText, Data: []byte{}}},
	{"chat", Envelope{
		Op: engine.OpJSON, Time: 1_700_000_000_123_456_789, HasAuthor: true, Back: 1_000_000, Depth: 64,
		From: engine.Author{User: "ann", Client: "0123456789abcdef", ConnInfo: []byte(`{"name":"Ann"}`)},
		Tags: map[string]string{"id": "7f", "reply": "12"}, Data: []byte(`{"text":"hello"}`),
	}},
	{"event", Envelope{
		Op: engine.OpJSON, Time: -1, CompactKey: "react 7", Key: "ann k1", HasAuthor: true,
		From: engine.Author{User: "", Client: "c", ChanInfo: []byte(`1`)},
		Tags: map[string]string{"event": "react", "of": "7", "emoji": "👍", "a": ""}, Data: []byte(`{}`),
	}},
	{"binary", Envelope{Op: ws.OpBinary, Time: math.MaxInt64, Skip: true, Back: math.MaxUint64, Data: bytes.Repeat([]byte{0, 255}, 100)}},
	{"depth only", Envelope{Op: ws.OpText, Depth: 255, Data: []byte("x")}},
	{"sealed", Envelope{
		Op: ws.OpText, Time: 5, CompactKey: "k", HasAuthor: true, From: engine.Author{User: "bob", Client: "c2"},
		Tags: map[string]string{"event": "edit", "of": "3"}, Sealed: box,
	}},
}

var update = flag.Bool("update", false, "write the golden file of the current version")

// TestGolden checks that the messages of each version of the format are read, and that those of the
// current version are written, byte for byte.
func TestGolden(t *testing.T) {
	if *update {
		var text strings.Builder
		for _, e := range examples {
			fmt.Fprintf(&text, "%s: %x\n", e.name, Append(nil, &e.m))
		}
		if err := os.WriteFile(fmt.Sprintf("testdata/v%d", Version), []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for version := 1; version <= Version; version++ {
		text, err := os.ReadFile(fmt.Sprintf("testdata/v%d", version))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if len(lines) != len(examples) {
			t.Fatalf("version %d has %d messages, want %d", version, len(lines), len(examples))
		}
		for i, e := range examples {
			name, digits, _ := strings.Cut(lines[i], ": ")
			stored, err := hex.DecodeString(digits)
			if err != nil || name != e.name {
				t.Fatalf("line %d of version %d: %q, %v", i+1, version, lines[i], err)
			}
			if got, err := Decode(stored); err != nil || !reflect.DeepEqual(got, e.m) {
				t.Errorf("%s of version %d is read as\n%+v, %v, want\n%+v", name, version, got, err, e.m)
			}
			if got := Append([]byte("dst"), &e.m); version == Version && !bytes.Equal(got[3:], stored) {
				t.Errorf("%s is written as\n%x, want\n%x", name, got[3:], stored)
			}
		}
	}
}

// TestSize checks what a chat message costs besides its text and its author's name.
func TestSize(t *testing.T) {
	m := Envelope{
		Op: engine.OpJSON, Time: 1_700_000_000_123_456_789, HasAuthor: true, Back: 1_000_000_000, Depth: 64,
		From: engine.Author{User: "ann", Client: "0123456789abcdef"}, Data: bytes.Repeat([]byte("x"), 128),
	}
	if n := len(Append(nil, &m)) - 128 - len("ann") - 16; n > 24 {
		t.Errorf("%d bytes besides the data and the author", n)
	}
}

// TestEveryTruncationIsAnError also checks that nothing may follow.
func TestEveryTruncationIsAnError(t *testing.T) {
	for _, e := range examples {
		b := Append(nil, &e.m)
		for n := range b {
			if m, err := Decode(b[:n:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: the first %d bytes are read as %+v, %v", e.name, n, m, err)
			}
		}
		if m, err := Decode(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s and a zero byte are read as %+v, %v", e.name, m, err)
		}
	}
}

// TestRefusals checks the errors for bytes that Append does not write. Each is given as the parts of a
// message.
func TestRefusals(t *testing.T) {
	const text, now = "\x01", "\x00\x00\x00\x00\x00\x00\x00\x01"
	for _, c := range []struct{ name, bytes, want string }{
		{"nothing", "", "version"},
		{"version 0", "\x00\x00" + text + now + "\x00\x00", "version"},
		{"an unknown flag", "\x01\x80" + text + now + "\x00\x00", "flags"},
		{"a close frame", "\x01\x00\x08" + now + "\x00\x00", "op"},
		{"no place back", "\x01\x10" + text + now + "\x00\x00" + "\x00\x00", "back"},
		{"an empty compact key", "\x01\x04" + text + now + "\x00" + "\x00\x00", "compact key"},
		{"an empty key", "\x01\x08" + text + now + "\x00" + "\x00\x00", "key"},
		{"a key that is too long", "\x01\x08" + text + now + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + "\x00\x00", "key"},
		{"a long number", "\x01\x08" + text + now + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02" + "\x00\x00", "key"},
		{"a number with zeros", "\x01\x08" + text + now + "\x81\x00k" + "\x00\x00", "key"},
		{"no tags", "\x01\x20" + text + now + "\x00" + "\x00\x00", "tags"},
		{"too many tags", "\x01\x20" + text + now + "\xff\xff\xff\xff\x0f\x02of\x011" + "\x00\x00", "tags"},
		{"a tag twice", "\x01\x20" + text + now + "\x02\x02of\x011\x02of\x011" + "\x00\x00", "tags"},
		{"tags in the wrong order", "\x01\x20" + text + now + "\x02\x02of\x011\x05event\x011" + "\x00\x00", "tags"},
		{"a personal tag outside", "\x01\x20" + text + now + "\x01\x02id\x011" + "\x00\x00", "tags"},
		{"a text that is no message", `{"text":"x"}`, "version"},
		{"a version that there can never be", "\x20\x00" + text + now + "\x00\x01x", "version"},
		{"a readable tag inside", "\x01\x00" + text + now + "\x04\x01\x02of\x011\x00", "tags"},
		{"an unknown part", "\x01\x00" + text + now + "\x08\x00", "parts"},
		{"info without an author", "\x01\x00" + text + now + "\x01\x011\x00", "parts"},
		{"empty connection info", "\x01\x02" + text + now + "\x00\x00" + "\x01\x00\x00", "connection info"},
		{"empty subscription info", "\x01\x02" + text + now + "\x00\x00" + "\x02\x00\x00", "subscription info"},
		{"too little data", "\x01\x00" + text + now + "\x00\x02x", "data"},
		{"a short sealed part", "\x01\x40" + text + now + "\x23" + strings.Repeat("x", MinSealed-1), "sealed part"},
		{"a byte too many", "\x01\x00" + text + now + "\x00\x01xy", "end"},
	} {
		_, err := Decode([]byte(c.bytes))
		if !errors.Is(err, ErrMalformed) || !strings.HasSuffix(err.Error(), ": its "+c.want+" is wrong") {
			t.Errorf("%s: %v, want an error that names the %s", c.name, err, c.want)
		}
	}
}

func TestNewerVersion(t *testing.T) {
	for _, b := range []string{"\x02", "\x02\x00\x01\x00", "\x1f and a text"} {
		if _, err := Decode([]byte(b)); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "upgrade") {
			t.Errorf("%q: %v", b, err)
		}
	}
}

// drawEnvelope draws a message in the form in which Decode returns it.
func drawEnvelope(t *rapid.T) Envelope {
	text := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 20, -1))
	blob := rapid.Custom(func(t *rapid.T) []byte { // nil if it is empty
		if b := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bytes"); len(b) > 0 {
			return b
		}
		return nil
	})
	m := Envelope{
		Op:         rapid.SampledFrom([]ws.OpCode{ws.OpText, ws.OpBinary, engine.OpJSON}).Draw(t, "op"),
		Skip:       rapid.Bool().Draw(t, "skip"),
		Time:       rapid.Int64().Draw(t, "time"),
		CompactKey: text.Draw(t, "compact key"),
		Key:        text.Draw(t, "key"),
		HasAuthor:  rapid.Bool().Draw(t, "author"),
		Back:       rapid.Uint64().Draw(t, "back"),
		Depth:      rapid.Byte().Draw(t, "depth"),
		Data:       rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"),
	}
	if m.HasAuthor {
		m.From = engine.Author{User: text.Draw(t, "user"), Client: text.Draw(t, "client"), ConnInfo: blob.Draw(t, "connection info"), ChanInfo: blob.Draw(t, "subscription info")}
	}
	names := rapid.OneOf(rapid.SampledFrom([]string{engine.TagEvent, engine.TagOf}), text)
	if tags := rapid.MapOfN(names, text, 0, 20).Draw(t, "tags"); len(tags) > 0 {
		m.Tags = tags
	}
	return m
}

// TestRoundTrip checks both directions for clear messages, and for sealed ones the way through Reveal.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawEnvelope(t)
		clear := Append(nil, &m)
		if got, err := Decode(clear); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("read as %+v, %v\nwant %+v", got, err, m)
		}
		personal := AppendPersonal(nil, &m)
		if !bytes.HasSuffix(clear, personal) {
			t.Fatalf("the message %x does not end in its personal part %x", clear, personal)
		}
		sealed := m
		sealed.Sealed = box
		got, err := Decode(Append(nil, &sealed))
		if err != nil || !bytes.Equal(got.Sealed, box) {
			t.Fatalf("sealed: read as %+v, %v", got, err)
		}
		if want := hidden(m); !reflect.DeepEqual(got, want) {
			t.Fatalf("sealed: read as %+v\nwant %+v", got, want)
		}
		for n := range personal {
			if err := got.Reveal(personal[:n:n]); !errors.Is(err, ErrMalformed) || !reflect.DeepEqual(got, hidden(m)) {
				t.Fatalf("revealed by the first %d bytes: %+v, %v", n, got, err)
			}
		}
		if err := got.Reveal(personal); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("revealed: %+v, %v\nwant %+v", got, err, m)
		}
	})
}

// hidden returns what can be read of a message while it is sealed.
func hidden(m Envelope) Envelope {
	m.Data, m.From.ConnInfo, m.From.ChanInfo, m.Sealed = nil, nil, nil, box
	m.Tags = maps.Clone(m.Tags)
	maps.DeleteFunc(m.Tags, func(name, _ string) bool { return name != "event" && name != "of" })
	if len(m.Tags) == 0 {
		m.Tags = nil
	}
	return m
}

// TestSealedHidesTheRest checks that no text of the personal part is in the bytes of a sealed message.
func TestSealedHidesTheRest(t *testing.T) {
	m := Envelope{
		Op: ws.OpText, HasAuthor: true, Data: []byte("SECRET data"), Sealed: box,
		From: engine.Author{User: "ann", Client: "c", ConnInfo: []byte(`"SECRET name"`), ChanInfo: []byte(`"SECRET role"`)},
		Tags: map[string]string{"event": "edit", "SECRET name": "x", "id": "SECRET id"},
	}
	b := Append(nil, &m)
	if bytes.Contains(b, []byte("SECRET")) || !bytes.Contains(b, box) {
		t.Errorf("sealed: %q", b)
	}
	if p := AppendPersonal(nil, &m); bytes.Count(p, []byte("SECRET")) != 5 {
		t.Errorf("the personal part: %q", p)
	}
}

// TestAliases checks that a decoded message refers to the bytes and needs no copy of them.
func TestAliases(t *testing.T) {
	b := Append(nil, &examples[1].m)
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte("ann"))] = 'A'
	b[bytes.Index(b, []byte("hello"))] = 'H'
	if m.From.User != "Ann" || string(m.Data) != `{"text":"Hello"}` {
		t.Errorf("user %q, data %s", m.From.User, m.Data)
	}
	if data := append(m.Data, "more"...); bytes.Contains(b[:cap(b)], []byte("more")) {
		t.Errorf("appending to the data, %s, writes into the message", data)
	}
}

// FuzzDecode checks that Decode never panics, and accepts only what Append writes.
func FuzzDecode(f *testing.F) {
	for _, e := range examples {
		f.Add(Append(nil, &e.m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
				t.Errorf("%x: %v", b, err)
			}
			return
		}
		if again := Append(nil, &m); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %+v, which is written as %x", b, m, again)
		}
	})
}

// FuzzReveal checks the same of the personal part.
func FuzzReveal(f *testing.F) {
	for _, e := range examples {
		f.Add(AppendPersonal(nil, &e.m), e.m.HasAuthor)
	}
	f.Fuzz(func(t *testing.T, personal []byte, author bool) {
		m := Envelope{HasAuthor: author, Tags: map[string]string{"of": "1"}, Sealed: box}
		if m.Reveal(personal) != nil {
			return
		}
		if again := AppendPersonal(nil, &m); !bytes.Equal(again, personal) {
			t.Errorf("%x is read as %+v, which is written as %x", personal, m, again)
		}
	})
}

// sinks for the benchmarks
var sink Envelope

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		buf = Append(buf[:0], &examples[1].m)
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	stored := slices.Clone(Append(nil, &examples[1].m))
	for b.Loop() {
		sink, _ = Decode(stored)
	}
}
