package snapshot

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// values are one of each kind of field.
type values struct {
	u     uint64
	i     int64
	b     bool
	t     time.Time
	bytes []byte
	list  [][]byte
	s     string
	inner *values
}

func (v *values) encode(e *Encoder) {
	e.Uint(1, v.u)
	e.Int(2, v.i)
	e.Bool(3, v.b)
	e.Time(4, v.t)
	e.Bytes(5, v.bytes)
	for _, one := range v.list {
		e.Item(6, one)
	}
	e.String(1<<20, v.s)
	if v.inner != nil {
		e.Message(8, v.inner.encode)
	}
}

func (v *values) decode(d *Decoder) error {
	for {
		switch d.Next() {
		case 0:
			return d.Err()
		case 1:
			v.u = d.Uint()
		case 2:
			v.i = d.Int()
		case 3:
			v.b = d.Bool()
		case 4:
			v.t = d.Time()
		case 5:
			v.bytes = d.Bytes()
		case 6:
			v.list = append(v.list, d.Bytes())
		case 1 << 20:
			v.s = d.String()
		case 8:
			v.inner = new(values)
			if err := v.inner.decode(d.Message()); err != nil {
				return err
			}
		}
	}
}

func draw(t *rapid.T, depth int) *values {
	v := &values{u: rapid.Uint64().Draw(t, "u"), i: rapid.Int64().Draw(t, "i"), b: rapid.Bool().Draw(t, "b"), s: rapid.String().Draw(t, "s"),
		bytes: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes"), list: rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 3), 0, 3).Draw(t, "list")}
	if n := rapid.Int64Range(0, 1<<62).Draw(t, "t"); n != 0 {
		v.t = time.Unix(0, n)
	}
	if depth > 0 && rapid.Bool().Draw(t, "inner") {
		v.inner = draw(t, depth-1)
	}
	return v
}

func encoded(v *values) []byte {
	var e Encoder
	v.encode(&e)
	return e.B
}

// TestRoundTrip checks that a message is read as it was written, whatever its values and sizes.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := encoded(draw(t, 3))
		var got values
		if err := got.decode(Decode(b)); err != nil {
			t.Fatal(err)
		}
		if again := encoded(&got); !bytes.Equal(b, again) {
			t.Fatalf("% x was read as % x", b, again)
		}
	})
}

// TestUnknownFields checks that a reader skips what it does not know, of each type.
func TestUnknownFields(t *testing.T) {
	var e Encoder
	e.Uint(50, 7)
	e.String(51, strings.Repeat("x", 200))
	e.Message(52, func(e *Encoder) { e.Uint(1, 9) })
	e.B = append(e.B, 0xad, 0x03, 1, 2, 3, 4) // field 53, four bytes
	e.Uint(1, 5)
	var got values
	if err := got.decode(Decode(e.B)); err != nil || got.u != 5 || got.inner != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestWrongType checks that a field of another type is an error, and not a wrong value.
func TestWrongType(t *testing.T) {
	for name, b := range map[string][]byte{"text for a number": {1<<3 | 2, 1, 'x'}, "number for a text": {5 << 3, 7}, "cut": {1 << 3}, "too long": {5<<3 | 2, 9, 'x'}} {
		var got values
		if err := got.decode(Decode(b)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFail checks that a reader can refuse a value, and that the first error stays.
func TestFail(t *testing.T) {
	d := Decode([]byte{1 << 3, 7, 2 << 3, 8})
	d.Next()
	first := errors.New("7 is too much")
	d.Fail(first)
	d.Fail(ErrMalformed)
	if d.Next() != 0 || d.Err() != first || d.Uint() != 0 || d.Message().Err() != first {
		t.Errorf("after an error: %v, %d", d.Err(), d.Uint())
	}
}

// TestAgree checks which version two processes use.
func TestAgree(t *testing.T) {
	for _, c := range []struct {
		oldest, newest, version uint64
		ok                      bool
	}{
		{Oldest, Version, Version, true},
		{Version, Version + 1, Version, true},
		{Version + 1, Version + 2, Version, false},
		{0, Oldest - 1, Oldest - 1, false},
	} {
		if version, ok := Agree(c.oldest, c.newest); version != c.version || ok != c.ok {
			t.Errorf("with versions %d to %d: %d, %v", c.oldest, c.newest, version, ok)
		}
	}
}

// FuzzDecoder checks that no bytes make the Decoder panic or loop, and that what it reads can be written and
// read again.
func FuzzDecoder(f *testing.F) {
	f.Add(encoded(&values{u: 1, i: -1, b: true, s: "x", inner: &values{bytes: []byte("y")}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, again values
		if got.decode(Decode(b)) != nil {
			return
		}
		b = encoded(&got)
		if err := again.decode(Decode(b)); err != nil || !bytes.Equal(encoded(&again), b) {
			t.Errorf("% x: %v", b, err)
		}
	})
}
