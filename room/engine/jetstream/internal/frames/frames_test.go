package frames

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room/engine"
)

func yes() *bool { v := true; return &v }

// fullControl has a value in each field.
func fullControl() engine.ControlMessage {
	at := time.Unix(1_700_000_000, 123).UTC()
	return engine.ControlMessage{Kind: engine.ControlRevoke,
		To:   engine.Target{User: "ann", Client: "c", Session: "s", Except: []string{"x"}, ExceptAdmins: true},
		Room: "a room", Code: 4500, Reason: "why", Since: &engine.Position{Epoch: "e", Offset: 7}, Info: []byte("{}"), Data: []byte("1"),
		Override: engine.Override{Notices: yes(), ForceNotices: yes(), Recoverable: yes()},
		Expires:  at, Expired: true, Token: "t", Until: at, At: at}
}

// fullInfo has a value in each field.
func fullInfo() engine.NodeInfo {
	return engine.NodeInfo{Node: "n", Version: "v", Uptime: time.Minute, Clients: 1, Users: 2, Channels: 3, Members: 4, Rooms: map[string]int{"r": 5}, Ended: []byte("[1]")}
}

// zeroFields lists the fields of a struct that have their zero value, also in structs inside it.
func zeroFields(v reflect.Value) (all []string) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch name := v.Type().Field(i).Name; {
		case f.IsZero():
			all = append(all, name)
		case f.Kind() == reflect.Pointer && f.Elem().Kind() == reflect.Struct:
			all = append(all, zeroFields(f.Elem())...)
		case f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[time.Time]():
			all = append(all, zeroFields(f)...)
		}
	}
	return all
}

// The bytes of version 1. Whoever changes them gives the format a new version.
const (
	goldenControl = `{"Kind":6,"To":{"User":"ann","Client":"c","Session":"s","Except":["x"],"ExceptAdmins":true},"Room":"a room","Code":4500,` +
		`"Reason":"why","Since":{"Epoch":"e","Offset":7},"Info":"e30=","Data":"MQ==","Override":{"Notices":true,"ForceNotices":true,"Recoverable":true},` +
		`"Expires":"2023-11-14T22:13:20.000000123Z","Expired":true,"Token":"t","Until":"2023-11-14T22:13:20.000000123Z","At":"2023-11-14T22:13:20.000000123Z"}`
	goldenInfos  = `[{"Node":"n","Version":"v","Uptime":60000000000,"Clients":1,"Users":2,"Channels":3,"Members":4,"Rooms":{"r":5},"Ended":[1]}]`
	goldenPlain  = `[{"Node":"n","Version":"","Uptime":0,"Clients":0,"Users":0,"Channels":0,"Members":0,"Rooms":{}}]` // read by older nodes, too
	goldenFrame  = "\x01\x01n\x08\x01\x02\x01body"
	goldenNotice = "\x01\x03\x00\x01n\x00\x00\x03ann\x00\x00\x01c\x00\x00\x02{}\x00\x00\x00"
	goldenListed = "\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x03ann\x00\x00\x01c\x00\x00\x00\x00\x00\x01[1]"
)

func TestGolden(t *testing.T) {
	control, info := fullControl(), fullInfo()
	if zero := append(zeroFields(reflect.ValueOf(control)), zeroFields(reflect.ValueOf(info))...); len(zero) > 0 {
		t.Errorf("the golden values have no %v", zero)
	}
	gotControl, err := AppendControl(nil, &control)
	if err != nil {
		t.Fatal(err)
	}
	gotInfos, err := AppendInfos(nil, []engine.NodeInfo{info})
	if err != nil {
		t.Fatal(err)
	}
	gotPlain, err := AppendInfos(nil, []engine.NodeInfo{{Node: "n", Rooms: map[string]int{}}})
	if err != nil {
		t.Fatal(err)
	}
	ann := engine.Author{User: "ann", Client: "c", ConnInfo: []byte("{}")}
	for _, c := range []struct{ what, got, want string }{
		{"control message", string(gotControl), goldenControl},
		{"reports", string(gotInfos), goldenInfos},
		{"reports without records", string(gotPlain), goldenPlain},
		{"frame", string(Append(nil, &Frame{From: "n", Kind: Answer, Part: 0x102, More: true, Body: []byte("body")})), goldenFrame},
		{"notice", string(AppendNotice(nil, &Notice{"n", engine.Notice{Left: true, Typing: true, Who: ann}})), goldenNotice},
		{"question", string(AppendRoom(nil, "r", 300)), "\x00\x00\x00\x00\x00\x00\x01\x2cr"},
		{"count", string(AppendCounted(nil, Counted{1, 2, []byte("x")})), "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02x"},
		{"ids", string(AppendIDs(nil, []string{"a", "bc"})), "\x00\x01a\x00\x02bc"},
		{"change", string(AppendChange(nil, &Change{"i", 7, "state.ban.=.=", []byte("x")})), "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x01i\x00\x0dstate.ban.=.=x"},
		{"kinds", fmt.Sprint(lastKind), "11"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.what, c.got, c.want)
		}
	}
	if back, err := DecodeControl(gotControl); err != nil || !reflect.DeepEqual(back, control) {
		t.Errorf("%+v, %v", back, err)
	}
	if back, err := DecodeInfos(gotInfos); err != nil || !reflect.DeepEqual(back, []engine.NodeInfo{info}) {
		t.Errorf("%+v, %v", back, err)
	}
}

// TestNilAndEmpty checks that a control message keeps nil (unchanged) apart from empty.
func TestNilAndEmpty(t *testing.T) {
	for _, info := range [][]byte{nil, {}} {
		b, err := AppendControl(nil, &engine.ControlMessage{Info: info})
		if err != nil {
			t.Fatal(err)
		}
		if back, err := DecodeControl(b); err != nil || (back.Info == nil) != (info == nil) {
			t.Errorf("%v became %v, %v", info, back.Info, err)
		}
	}
}

func TestNewerVersion(t *testing.T) {
	b := Append(nil, &Frame{From: "n", Kind: Beat})
	b[0]++
	if f, err := Decode(b[:3]); !errors.Is(err, ErrVersion) || f.From != "n" || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := DecodeNotice([]byte{Version + 1}); !errors.Is(err, ErrVersion) {
		t.Error(err)
	}
}

func TestWrongBodies(t *testing.T) {
	for what, err := range map[string]error{
		"an unknown member": second(DecodeControl([]byte(`{"Kind":1,"New":true}`))),
		"a member twice":    second(DecodeControl([]byte(`{"Kind":1,"Kind":1}`))),
		"something behind":  second(DecodeInfos([]byte(`[] 1`))),
		"no list":           second(DecodeInfos([]byte(`{}`))),
		"a negative number": second(DecodeCounted(bytes.Repeat([]byte{255}, 16))),
		"a flag":            second(DecodeListed([]byte{0, 0, 0, 0, 0, 0, 0, 0, 2})),
		"a list of none":    second(DecodeListed([]byte("\x00\x00\x00\x00\x00\x00\x00\x01\x00" + strings.Repeat("\x00", 12)))),
		"an unknown kind":   second(Decode([]byte{Version, 0, byte(lastKind) + 1, 0, 0, 0})),
		"version 0":         second(Decode([]byte{0, 0, 1, 0, 0, 0})),
		"nothing":           second(Decode(nil)),
		"half a change":     second(DecodeChange([]byte("\x00\x00\x00\x00\x00\x00\x00\x07\x00\x01i\x00"))),
		"a notice's flag":   second(DecodeNotice(append([]byte{Version, 4}, make([]byte, 14)...))),
	} {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := AppendControl(nil, &engine.ControlMessage{Reason: "\xff"}); err == nil {
		t.Error("a text that is not UTF-8 was sent as something else")
	}
}

func second[T any](_ T, err error) error { return err }

func drawAuthor(t *rapid.T) engine.Author {
	some := func(label string) []byte { return append([]byte(nil), rapid.String().Draw(t, label)...) }
	return engine.Author{User: rapid.String().Draw(t, "user"), Client: rapid.String().Draw(t, "client"), ConnInfo: some("conn"), ChanInfo: some("chan")}
}

// TestRoundTrips checks that what is decoded is what was encoded, and that no shorter text is accepted as the
// same frame, notice or answer.
func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := Notice{rapid.String().Draw(t, "from"), engine.Notice{Left: rapid.Bool().Draw(t, "left"), Typing: rapid.Bool().Draw(t, "typing"), Who: drawAuthor(t)}}
		b := AppendNotice(nil, &n)
		if back, err := DecodeNotice(b); err != nil || !reflect.DeepEqual(back, n) {
			t.Fatalf("%+v became %+v, %v", n, back, err)
		}
		if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); second(DecodeNotice(b[:cut])) == nil {
			t.Fatalf("%q is a notice", b[:cut])
		}
		l := Listed{Clients: rapid.IntRange(0, 1<<40).Draw(t, "clients"), Whole: true, All: rapid.SliceOf(rapid.Custom(drawAuthor)).Draw(t, "all")}
		if back, err := DecodeListed(AppendListed(nil, &l)); err != nil || back.Clients != l.Clients || len(back.All) != len(l.All) ||
			len(l.All) > 0 && !reflect.DeepEqual(back.All, l.All) {
			t.Fatalf("%+v became %+v, %v", l, back, err)
		}
	})
}

// FuzzDecode checks that no input makes a decoder panic, and that each binary text that is accepted is the
// one that would be written.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{goldenControl, goldenInfos, goldenFrame, goldenNotice, goldenListed, "\x00\x01a", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		same := func(what string, again []byte, err error) {
			if err == nil && !bytes.Equal(again, b) {
				t.Errorf("%s: %q was accepted for %q", what, b, again)
			}
		}
		frame, err := Decode(b)
		same("frame", Append(nil, &frame), err)
		notice, err := DecodeNotice(b)
		same("notice", AppendNotice(nil, &notice), err)
		listed, err := DecodeListed(b)
		same("list", AppendListed(nil, &listed), err)
		counted, err := DecodeCounted(b)
		same("count", AppendCounted(nil, counted), err)
		ids, err := DecodeIDs(b)
		same("ids", AppendIDs(nil, ids), err)
		change, err := DecodeChange(b)
		same("change", AppendChange(nil, &change), err)
		room, limit, err := DecodeRoom(b)
		same("question", AppendRoom(nil, room, limit), err)
		if m, err := DecodeControl(b); err == nil {
			if _, err := AppendControl(nil, &m); err != nil {
				t.Errorf("%q was decoded, and cannot be encoded: %v", b, err)
			}
		}
		if all, err := DecodeInfos(b); err == nil {
			if _, err := AppendInfos(nil, all); err != nil {
				t.Errorf("%q was decoded, and cannot be encoded: %v", b, err)
			}
		}
	})
}
