package state

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"webim/room/budget"
	"webim/room/engine"
)

// TestRecordFormat fixes the stored bytes: other versions of the program read them.
func TestRecordFormat(t *testing.T) {
	for _, c := range []struct {
		name  string
		entry engine.Entry
		want  string
	}{
		{"removed", engine.Entry{}, "\x01\x01"},
		{"plain", engine.Entry{Value: []byte("v")}, "\x01\x00\x00\x00v"},
		{"all", engine.Entry{Value: []byte("value"), Owner: budget.User("ann"), Expires: time.Unix(0, 300)}, "\x01\x00\xd8\x04\x08user:annvalue"},
	} {
		got := encode(&c.entry)
		if string(got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if back, err := decode(got); err != nil || !reflect.DeepEqual(back, c.entry) {
			t.Errorf("%s: %+v, %v", c.name, back, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, b := range []string{"", "\x01", "\x02\x00\x00\x00v", "\x01\x00", "\x01\x00\x00", "\x01\x00\x00\x00", "\x01\x00\x00\x02ab", "\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01ab"} {
		if e, err := decode([]byte(b)); !errors.Is(err, errMalformed) {
			t.Errorf("%q: %+v, %v", b, e, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range []engine.Entry{{}, {Value: []byte("v")}, {Value: []byte("value"), Owner: budget.User("ann"), Expires: time.Unix(5, 0)}} {
		f.Add(encode(&e))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(bytes.Clone(b))
		if err != nil {
			return
		}
		if again, err := decode(encode(&e)); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%q is %+v, and encoded again %+v, %v", b, e, again, err)
		}
	})
}

func FuzzSubject(f *testing.F) {
	f.Add("ban", "", "bob")
	f.Add("reaction", "a room", "epoch 12 \U0001F44D $x.*>")
	f.Fuzz(func(t *testing.T, table, of, name string) {
		k := engine.Key{Table: table, Of: of, Name: name}
		s := subjectOf(k)
		if back, err := keyOf(s); err != nil || back != k {
			t.Errorf("%q is %q, and back %+v, %v", k, s, back, err)
		}
		if strings.Count(s, ".") != 3 || strings.ContainsAny(s, "*> \t\r\n") {
			t.Errorf("%q is no subject", s)
		}
	})
}

func TestKeyOfRefuses(t *testing.T) {
	for _, s := range []string{"", "state", "state.a.b", "state.a.b.c.d", "other.a.b.c", "state.a.b.", "state.a..c", "state.a.b.=zz"} {
		if k, err := keyOf(s); !errors.Is(err, errMalformed) {
			t.Errorf("%q: %+v, %v", s, k, err)
		}
	}
}
