package wire_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"webim/room/wire"
)

// TestRoomsOfPaths checks which rooms paths name. A path has been unescaped once; further escapes
// are part of the name.
func TestRoomsOfPaths(t *testing.T) {
	long := strings.Repeat("x", wire.MaxRoomName)
	wide := strings.Repeat("é", wire.MaxRoomName/2) // 254 bytes
	for _, c := range []struct{ path, name string }{
		{"", "lobby"},
		{"/", "lobby"},
		{"/lobby", "lobby"},
		{"lobby", "lobby"},
		{"/a", "a"},
		{"/a/", "a/"},
		{"//", "/"},
		{"///", "//"},
		{"//a", "/a"},
		{"/a/b", "a/b"},
		{"/a//b", "a//b"},
		{"/.", "."},
		{"/../x", "../x"}, // no file is opened by this name
		{"/%2F", "%2F"},
		{"/%00", "%00"},
		{"/a?b#c", "a?b#c"},
		{"/<script>", "<script>"},
		{"/été 日本 🎉", "été 日本 🎉"},
		{"/Room", "Room"},
		{"/ROOM", "ROOM"},
		{"/e\u0301", "é"},         // the same room in both spellings
		{"/👩\u200d💻", "👩\u200d💻"}, // an emoji
		{"/\ufffd", "\ufffd"},     // the character itself, not an invalid byte
		{"/" + long, long},
		{long, long},
		{"/" + wide + "x", wide + "x"},
	} {
		target, name, err := wire.TargetOf(c.path)
		if target != wire.TargetRoom || err != nil || name != c.name {
			t.Errorf("TargetOf(%.40q) = %d, %.40q, %v; want the room %.40q", c.path, target, name, err, c.name)
		}
	}
}

// badNames are names that no room may have, each with a word of the error.
var badNames = []struct{ name, says string }{
	{strings.Repeat("x", wire.MaxRoomName+1), "256 bytes"},
	{strings.Repeat("é", 128), "256 bytes"},
	{strings.Repeat("x", 1<<20), "1048576 bytes"},
	{"\xff", "UTF-8"},
	{"a\xc3", "UTF-8"},            // cut off
	{"\xc0\xaf", "UTF-8"},         // an overlong slash
	{"\xed\xa0\x80", "UTF-8"},     // half a surrogate pair
	{"\xf4\x90\x80\x80", "UTF-8"}, // beyond Unicode
	{"\x00", "control"},
	{"a\x00b", "control"},
	{"\t", "control"},
	{"a\r\nSet-Cookie: b", "control"},
	{"\x1b[2J", "control"},
	{"\x7f", "control"},
	{"\u0080", "control"},
	{"\u0085", "control"},
	{"\u009b2J", "control"},
	{"\u2028", "control"},
	{"\u2029", "control"},
	{"\u061c", "control"},
	{"\u200e", "control"},
	{"\u200f", "control"},
	{"\u202a", "control"},
	{"nice\u202egnp.exe", "control"},
	{"\u2066", "control"},
	{"\u2069", "control"},
	{" ", "white space"},
	{"lobby ", "white space"},
	{"lobby\u200b", "cannot be seen"},
	{"lob\u00adby", "cannot be seen"},
	{"\u200d", "cannot be seen"},
}

func TestBadRoomNames(t *testing.T) {
	for _, c := range badNames {
		for _, path := range []string{"/" + c.name, c.name} {
			if _, name, err := wire.TargetOf(path); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("TargetOf(%.40q) = %.40q, %v; want an error with %q", path, name, err, c.says)
			}
		}
		err := wire.CheckRoomName(c.name)
		if err == nil {
			t.Errorf("CheckRoomName(%.40q): no error", c.name)
			continue
		}
		// The text goes to clients, in replies and in logs.
		if len(err.Error()) > 120 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("CheckRoomName(%.40q) says %q, which is not plain", c.name, err)
		}
	}
	if err := wire.CheckRoomName(""); err == nil {
		t.Error("the empty name is no error")
	}
}

// TestRoomNameCharacters tries every byte, every control character and both ends of every range,
// against a list written by hand.
func TestRoomNameCharacters(t *testing.T) {
	bad := func(r rune) bool {
		switch {
		case r < 0x20, r >= 0x7f && r < 0xa0:
			return true
		case r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef: // no characters
			return true
		}
		for _, one := range [][2]rune{
			{' ', ' '}, {0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x2800, 0x2800}, {0x3000, 0x3000}, // blanks and line ends
			{0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f}, // default-ignorable
			{0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfff8}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
			{0xfff9, 0xfffb}, {0x13430, 0x1343f}, // other format characters
		} {
			if r >= one[0] && r <= one[1] {
				return true
			}
		}
		return false
	}
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if r >= 0xd800 && r < 0xe000 {
			continue // no characters
		}
		if err := wire.CheckRoomName(string(r)); (err != nil) != bad(r) {
			t.Errorf("CheckRoomName(%U): %v", r, err)
		}
	}
}

func FuzzTargetOf(f *testing.F) {
	for _, path := range []string{"", "/", "//", "/lobby", "/a/b/", "/%2f", "/日本", "*"} {
		f.Add(path)
	}
	for _, c := range badNames {
		f.Add("/" + c.name[:min(len(c.name), 512)])
	}
	f.Fuzz(func(t *testing.T, path string) {
		target, name, err := wire.TargetOf(path)
		if target != wire.TargetRoom {
			if name != "" || err != nil {
				t.Fatalf("TargetOf(%q) = %d, %q, %v", path, target, name, err)
			}
			return
		}
		if bad := wire.CheckRoomName(name); (bad != nil) != (err != nil) {
			t.Fatalf("TargetOf(%q) says %v, CheckRoomName %v", path, err, bad)
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n\x00") || len(err.Error()) > 120 {
				t.Fatalf("TargetOf(%q) says %q", path, err)
			}
			return
		}
		if len(name) == 0 || len(name) > wire.MaxRoomName || !utf8.ValidString(name) {
			t.Fatalf("TargetOf(%q) = %q", path, name)
		}
		if path != "" && path != "/" && name != path && "/"+name != path {
			t.Fatalf("TargetOf(%q) = %q: another name", path, name)
		}
		// The path of a room's name names the room.
		if _, again, err := wire.TargetOf("/" + name); err != nil || again != name {
			t.Fatalf("TargetOf(%q) = %q, %v", "/"+name, again, err)
		}
	})
}
