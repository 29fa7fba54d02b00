package subject

import (
	"strings"
	"testing"

	"webim/room/name"
)

// names has a name of each kind with its token.
var names = []struct{ name, token string }{
	{"lobby", "lobby"},
	{"Team_7-b", "Team_7-b"},
	{"", "~"},
	{".", "=2E"},
	{"*", "=2A"},
	{">", "=3E"},
	{"$SYS", "=24SYS"},
	{"=3A", "=3D3A"},
	{"~", "=7E"},
	{"~bG9iYnk", "=7EbG9iYnk"},
	{"a b", "a=20b"},
	{"user:42", "user=3A42"},
	{"#ann,bob", "=23ann=2Cbob"},
	{"news.sport.>", "~bmV3cy5zcG9ydC4-"},
	{"a\x00", "a=00"},
	{"\r\n\t", "~DQoJ"},
	{"\xff", "=FF"},
	{"\xff\xfe", "~__4"},
	{"Café-Lausanne", "Caf=C3=A9-Lausanne"},
	{"größe", "~Z3LDtsOfZQ"},
	{"聊天室", "~6IGK5aSp5a6k"},
}

func TestTokens(t *testing.T) {
	for _, n := range names {
		if got := Token(n.name); got != n.token {
			t.Errorf("token of %q: %q, want %q", n.name, got, n.token)
		}
		check(t, n.name)
	}
}

// check checks what every token promises.
func check(t *testing.T, s string) {
	token := Token(s)
	if got, err := Parse(token); err != nil || got != s {
		t.Errorf("%q has the token %q, which is parsed as %q, %v", s, token, got, err)
	}
	if token == "" || token[0] == '$' {
		t.Errorf("%q has the token %q", s, token)
	}
	for i := range len(token) {
		if c := token[i]; !isPlain(c) && c != escape && c != packed {
			t.Errorf("%q has the token %q with byte %#x", s, token, c)
		}
	}
	if limit := 1 + (4*len(s)+2)/3; len(token) > limit {
		t.Errorf("%q has a token of %d bytes, more than %d", s, len(token), limit)
	}
}

func TestLongNames(t *testing.T) {
	for _, c := range []string{"a", ".", "\x00", "\xff", "é", "a.", "聊"} {
		for _, n := range []int{name.Max, 1024, 4096} {
			s := strings.Repeat(c, n/len(c))
			check(t, s)
			if n == name.Max && len(Token(s)) > MaxRoom {
				t.Errorf("%q repeated has a token of %d bytes, more than MaxRoom, %d", c, len(Token(s)), MaxRoom)
			}
		}
	}
}

func TestEveryByte(t *testing.T) {
	seen := map[string]string{}
	for i := range 256 {
		for j := range 257 {
			s := string([]byte{byte(i)})
			if j < 256 {
				s = string([]byte{byte(i), byte(j)})
			}
			check(t, s)
			token := Token(s)
			if other, ok := seen[token]; ok {
				t.Errorf("%q and %q have the token %q", s, other, token)
			}
			seen[token] = s
		}
	}
}

func TestOtherTextsAreNoTokens(t *testing.T) {
	for _, token := range []string{
		"", ".", "a.b", "*", ">", "a b", "$SYS", "größe", "\xff",
		"=", "=2", "a=2", "=2e", "=GG", "=-1", "=61", // incomplete, lower case, no digit, for a plain byte
		"~bG9iYnk", "~Lg", "~*", "~L", "~__5", "~__4=", // a name that is not packed, no base64, not the shortest
		"=FF=FE", "a~", "~~",
	} {
		if s, err := Parse(token); err != ErrToken {
			t.Errorf("%q is parsed as %q, %v", token, s, err)
		}
	}
}

func TestPlainNamesAllocateNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Token("lobby-7") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzToken checks the promises for any name.
func FuzzToken(f *testing.F) {
	for _, n := range names {
		f.Add(n.name)
	}
	f.Fuzz(check)
}

// FuzzParse checks that only what Token returns is a token.
func FuzzParse(f *testing.F) {
	for _, n := range names {
		f.Add(n.token)
		f.Add(n.name)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if s, err := Parse(token); err == nil && Token(s) != token {
			t.Errorf("%q is parsed as %q, whose token is %q", token, s, Token(s))
		}
	})
}
