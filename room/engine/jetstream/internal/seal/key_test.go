package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSealAndOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := newKey()
		text := rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		room := rapid.String().Draw(t, "room")
		at := rapid.Int64().Draw(t, "time")
		sealed := k.Seal([]byte("dst"), text, room, at)[3:]
		if len(sealed) != len(text)+Overhead || KeyID(sealed) != k.id {
			t.Fatalf("a text of %d bytes is sealed as %x by the key %x", len(text), sealed, k.id)
		}
		if len(text) > 8 && bytes.Contains(sealed, text) {
			t.Fatal("the text can be read")
		}
		if got, err := k.Open([]byte("dst"), sealed, room, at); err != nil || !bytes.Equal(got[3:], text) {
			t.Fatalf("opened as %q, %v, want %q", got, err, text)
		}
		if _, err := k.Open(nil, sealed, room+"x", at); err != ErrDamaged {
			t.Fatalf("in another room: %v", err)
		}
		changed := slices.Clone(sealed)
		changed[rapid.IntRange(idSize, len(sealed)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := k.Open(nil, changed, room, at); err != ErrDamaged {
			t.Fatalf("with another bit: %v", err)
		}
		if _, err := k.Open(nil, sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "length")], room, at); err != ErrDamaged {
			t.Fatalf("truncated: %v", err)
		}
		if _, err := newKey().Open(nil, sealed, room, at); err != ErrErased {
			t.Fatalf("with another key: %v", err)
		}
	})
}

// TestDays checks that a day has its own key, and that no two days share one.
func TestDays(t *testing.T) {
	k := newKey()
	for _, c := range []struct {
		sealed, opened int64
		same           bool
	}{
		{noon, noon, true}, {noon, noon + day/2 - 1, true}, {noon, noon - day/2, true},
		{noon, noon + day/2, false}, {noon, noon - day/2 - 1, false}, {noon, noon + day, false},
		{0, -1, false}, {-1, -day + 1, true}, {-1, -day, true}, {-1, -day - 1, false}, {math.MinInt64, math.MaxInt64, false},
	} {
		_, err := k.Open(nil, k.Seal(nil, []byte("text"), "lobby", c.sealed), "lobby", c.opened)
		if c.same != (err == nil) {
			t.Errorf("sealed at %d, opened at %d: %v", c.sealed, c.opened, err)
		}
	}
}

func TestNoncesDiffer(t *testing.T) {
	k, seen := newKey(), map[string]bool{}
	for range 1000 {
		nonce := string(k.Seal(nil, []byte("text"), "lobby", noon)[idSize : idSize+nonceSize])
		if seen[nonce] {
			t.Fatal("a nonce comes twice")
		}
		seen[nonce] = true
	}
}

// TestGolden opens a text that an earlier build has sealed: the log keeps them for ever.
func TestGolden(t *testing.T) {
	file, err := os.ReadFile("testdata/v1")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(file))
	record, err1 := hex.DecodeString(fields[0])
	sealed, err2 := hex.DecodeString(fields[1])
	k, err3 := parseKey(record)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(nil, sealed, "lobby", noon); err != nil || string(got) != "what the user said" {
		t.Errorf("opened as %q, %v", got, err)
	}
}

// TestCipherIsAsDescribed opens a text with the primitives that doc.go names.
func TestCipherIsAsDescribed(t *testing.T) {
	k := newKey()
	sealed := k.Seal(nil, []byte("text"), "lobby", noon)
	secret, err := hkdf.Expand(sha256.New, k.record()[8:], "webim message key \x00\x00\x00\x00\x00\x00\x4e\x20", 32) // day 20,000
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := aead.Open(nil, sealed[8:20], sealed[20:], []byte("lobby")); err != nil || string(got) != "text" {
		t.Errorf("opened as %q, %v", got, err)
	}
}

func TestRecords(t *testing.T) {
	k := newKey()
	record := k.record()
	if again, err := parseKey(record); err != nil || !same(again, k) {
		t.Errorf("read as %v, %v", again, err)
	}
	for _, bad := range [][]byte{nil, record[:39], append(slices.Clone(record), 0)} {
		if _, err := parseKey(bad); err != ErrRecord {
			t.Errorf("a record of %d bytes: %v", len(bad), err)
		}
	}
	if same(newKey(), newKey()) {
		t.Error("two keys are the same")
	}
}

func BenchmarkSeal(b *testing.B) {
	b.ReportAllocs()
	k, text, dst := newKey(), make([]byte, 160), make([]byte, 0, 256)
	for b.Loop() {
		dst = k.Seal(dst[:0], text, "lobby", noon)
	}
}

func TestDigest(t *testing.T) {
	a, b := newKey(), newKey()
	first := a.Digest([]byte("text"))
	if !bytes.Equal(first, a.Digest([]byte("text"))) || bytes.Equal(first, a.Digest([]byte("other"))) || bytes.Equal(first, b.Digest([]byte("text"))) {
		t.Error("a digest does not depend on the key and the text alone")
	}
}

// FuzzOpen checks that a sealed text is opened by its key only, and that no other bytes are.
func FuzzOpen(f *testing.F) {
	k, other := newKey(), newKey()
	f.Add([]byte("hello"), "r", int64(1), []byte("not sealed"))
	f.Fuzz(func(t *testing.T, text []byte, room string, at int64, bytes []byte) {
		sealed := k.Seal(nil, text, room, at)
		if back, err := k.Open(nil, sealed, room, at); err != nil || string(back) != string(text) {
			t.Errorf("%q is opened as %q, %v", text, back, err)
		}
		if _, err := other.Open(nil, sealed, room, at); err == nil {
			t.Error("another key opens it")
		}
		if back, err := k.Open(nil, bytes, room, at); err == nil {
			t.Errorf("%q is opened as %q", bytes, back)
		}
	})
}
