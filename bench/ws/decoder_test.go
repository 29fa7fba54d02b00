package ws

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// decodeWhole is the simple oracle: it has all bytes at once and copies everything.
func decodeWhole(b []byte) (events []Event, err error) {
	var msg *Event
	var payload []byte
	for len(b) >= 2 {
		h, err := ParseHeader(append(bytes.Clone(b), make([]byte, 14)...))
		if err != nil {
			return events, err
		}
		if len(b) < h.Size+h.Length {
			return events, nil
		}
		body := b[h.Size : h.Size+h.Length]
		b = b[h.Size+h.Length:]
		if h.Control() {
			ev := Event{Op: h.Op, Len: h.Length, Payload: bytes.Clone(body)}
			copy(ev.Head[:], body)
			events = append(events, ev)
			continue
		}
		if msg == nil {
			msg, payload = &Event{Op: h.Op}, nil
		}
		payload = append(payload, body...)
		if h.Fin {
			msg.Len = len(payload)
			copy(msg.Head[:], payload)
			events, msg = append(events, *msg), nil
		}
	}
	return events, nil
}

// decodeParts decodes the parts one after another.
func decodeParts(parts ...[]byte) (events []Event, err error) {
	var d Decoder
	for _, p := range parts {
		p = bytes.Clone(p) // the next read overwrites a receiver's buffer, so nothing may point into it
		for len(p) > 0 {
			ev, n, ok, err := d.Next(p)
			if err != nil {
				return events, err
			}
			if ok {
				ev.Payload = bytes.Clone(ev.Payload)
				if ev.Op < Close {
					ev.Payload = nil
				}
				events = append(events, ev)
			}
			for i := range n {
				p[i] = 0xee
			}
			p = p[n:]
		}
	}
	return events, nil
}

func equalEvents(a, b []Event) bool {
	for _, s := range [][]Event{a, b} {
		for i := range s {
			if len(s[i].Payload) == 0 {
				s[i].Payload = nil
			}
		}
	}
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}

// fragment appends one frame of a fragmented message.
func fragment(b []byte, fin bool, op byte, payload string) []byte {
	at := len(b)
	b = AppendFrame(b, op, []byte(payload), nil)
	if !fin {
		b[at] &= 0x7f
	}
	return b
}

func TestDecoderEverySplit(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 9)
	var mixed []byte
	mixed = AppendFrame(mixed, Text, []byte("hello"), nil)
	mixed = AppendFrame(mixed, Ping, []byte("are you there, and a bit more than sixteen bytes"), nil)
	mixed = AppendFrame(mixed, Text, long, nil)
	mixed = AppendFrame(mixed, Text, nil, nil)
	mixed = fragment(mixed, false, Text, "seven..")
	mixed = AppendFrame(mixed, Pong, nil, nil)
	mixed = fragment(mixed, false, Continuation, "")
	mixed = fragment(mixed, true, Continuation, "and the rest of it")
	mixed = AppendFrame(mixed, Close, []byte{3, 0xe8, 'b', 'y', 'e'}, nil)
	want, err := decodeWhole(mixed)
	if err != nil || len(want) != 7 {
		t.Fatalf("oracle: %d events, %v", len(want), err)
	}
	for i := 0; i <= len(mixed); i++ {
		for j := i; j <= len(mixed); j++ {
			got, err := decodeParts(mixed[:i], mixed[i:j], mixed[j:])
			if err != nil || !equalEvents(got, want) {
				t.Fatalf("split %d/%d: %v\n got %v\nwant %v", i, j, err, got, want)
			}
		}
	}
	var bytewise [][]byte
	for i := range mixed {
		bytewise = append(bytewise, mixed[i:i+1])
	}
	if got, err := decodeParts(bytewise...); err != nil || !equalEvents(got, want) {
		t.Fatalf("byte by byte: %v %v", err, got)
	}
}

func TestDecoderLongLengths(t *testing.T) {
	var b []byte
	for _, n := range []int{0, 1, 15, 16, 17, 125, 126, 127, 65535, 65536, 70000} {
		b = AppendFrame(b, Binary, bytes.Repeat([]byte{byte(n)}, n), nil)
	}
	want, _ := decodeWhole(b)
	for range 100 {
		i := rand.IntN(len(b))
		j := i + rand.IntN(len(b)-i)
		got, err := decodeParts(b[:i], b[i:j], b[j:])
		if err != nil || !equalEvents(got, want) {
			t.Fatalf("split %d/%d: %v", i, j, err)
		}
	}
}

func TestDecoderRandomStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		open := false
		for range rapid.IntRange(1, 8).Draw(t, "frames") {
			payload := string(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "payload"))
			switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
			case kind == 0:
				b = AppendFrame(b, Ping, []byte(payload)[:min(125, len(payload))], nil)
			case open:
				open = kind != 1
				b = fragment(b, !open, Continuation, payload)
			default:
				open = kind == 2
				b = fragment(b, !open, Text, payload)
			}
		}
		want, _ := decodeWhole(b)
		var parts [][]byte
		for rest := b; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		if got, err := decodeParts(parts...); err != nil || !equalEvents(got, want) {
			t.Fatalf("%v\n got %v\nwant %v", err, got, want)
		}
	})
}

func TestDecoderErrors(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	cases := []struct {
		name string
		in   []byte
		want error
	}{
		{"RSV1", []byte{0xc1, 0}, ErrReserved},
		{"opcode 3", []byte{0x83, 0}, ErrReserved},
		{"opcode 11", []byte{0x8b, 0}, ErrReserved},
		{"ping in pieces", []byte{0x09, 0}, errControl},
		{"long ping", []byte{0x89, 126, 0, 126}, errControl},
		{"masked", AppendFrame(nil, Text, []byte("x"), &mask), ErrMasking},
		{"too long", []byte{0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0}, errLength},
		{"lone continuation", []byte{0x80, 0}, errSequence},
		{"text in a message", []byte{0x01, 0, 0x81, 0}, errSequence},
	}
	for _, c := range cases {
		for i := 0; i <= len(c.in); i++ {
			if _, err := decodeParts(c.in[:i], c.in[i:]); !errors.Is(err, c.want) {
				t.Errorf("%s, split at %d: %v, want %v", c.name, i, err, c.want)
			}
		}
	}
}

// A compressed message in fragments, cut at every byte.
func TestDecoderInflatesEverySplit(t *testing.T) {
	packed := AppendDeflated(nil, []byte(strings.Repeat("fourteen bytes", 10)))
	b := AppendFrame(nil, Text|RSV1, packed[:9], nil)
	b[0] &^= 0x80
	b = AppendFrame(append(b, 0x89, 0), Continuation, packed[9:], nil) // with a ping between the fragments
	for i := range b {
		d, got := Decoder{Inflater: NewInflater()}, []Event{}
		for _, part := range [][]byte{b[:i], b[i:]} {
			for len(part) > 0 {
				ev, n, ok, err := d.Next(part)
				if err != nil {
					t.Fatalf("split %d: %v", i, err)
				}
				if part = part[n:]; ok {
					got = append(got, ev)
				}
			}
		}
		if len(got) != 2 || got[1].Len != 140 || string(got[1].Head[:]) != "fourteen bytesfo" {
			t.Fatalf("split %d: %+v", i, got)
		}
	}
	for name, bad := range map[string][]byte{"not deflate": AppendFrame(nil, Text|RSV1, []byte("\xff\xff\xff\xff"), nil), "ping": AppendFrame(nil, Ping|RSV1, nil, nil)} {
		if _, _, ok, err := (&Decoder{Inflater: NewInflater()}).Next(bad); ok && err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, _, _, err := (&Decoder{}).Next(b); err != ErrReserved {
		t.Errorf("not agreed on: %v", err)
	}
}
