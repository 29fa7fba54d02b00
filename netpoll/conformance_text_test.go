package netpoll_test

import (
	"fmt"
	"strings"
	"testing"

	"webim/netpoll/wstest"
)

// Family 6: UTF-8. The sequences are those of Markus Kuhn's stress test.

const kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" // κόσμε

// utf8Groups are 6.5 to 6.23, good sequences in the first list, bad in the
// second.
var utf8Groups = []struct {
	name      string
	good, bad []string
}{
	{"5 valid", []string{"hello$world", "hello\u00a2world", "hello\u20acworld", "hello\U00024b62world", kosme}, nil},
	{"6 prefixes", []string{kosme[:2], kosme[:5], kosme[:7], kosme[:9], kosme}, []string{kosme[:1], kosme[:3], kosme[:4], kosme[:6], kosme[:8], kosme[:10]}},
	{"7 first of a length", []string{"\x00", "\u0080", "\u0800", "\U00010000"}, nil},
	{"8 first of length 5, 6", nil, []string{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
	{"9 last of a length", []string{"\x7f", "\u07ff", "\uffff", "\U0010ffff"}, nil},
	{"10 last of length 4, 5, 6", nil, []string{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
	{"11 boundaries", []string{"\ud7ff", "\ue000", "\ufffd", "\U0010ffff"}, []string{"\xf4\x90\x80\x80"}},
	{"12 continuation bytes alone", nil, []string{"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf", run(0x80, 0xbe, "")}},
	{"13 first bytes alone", nil, []string{run(0xc0, 0xde, " "), run(0xe0, 0xee, " "), run(0xf0, 0xf6, " "), run(0xf8, 0xfa, " "), run(0xfc, 0xfc, " ")}},
	{"14 last byte missing", nil, lastMissing},
	{"15 incomplete ones in a row", nil, []string{strings.Join(lastMissing, "")}},
	{"16 impossible bytes", nil, []string{"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
	{"17 overlong slash", nil, []string{"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"}},
	{"18 longest overlong", nil, []string{"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"}},
	{"19 overlong NUL", nil, []string{"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"}},
	{"20 surrogates", nil, []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}},
	{"21 pairs of surrogates", nil, []string{"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
		"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf"}},
	{"22 non-characters", nonCharacters(), nil},
	{"23 specials", []string{"\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"}, nil},
}

var lastMissing = []string{"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
	"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"}

// run is the bytes from a to b, each with sep behind it.
func run(a, b int, sep string) (s string) {
	for ; a <= b; a++ {
		s += string([]byte{byte(a)}) + sep
	}
	return s
}

// nonCharacters are the last two code points of every plane.
func nonCharacters() (ss []string) {
	for plane := rune(0); plane <= 16; plane++ {
		ss = append(ss, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	return ss
}

func TestConformanceText(t *testing.T) {
	mixed := "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!"
	bad := kosme + "\xed\xa0\x80" + "edited"
	cases := []conf{
		passes("6.1.1", send(msg{text, ""}), want(msg{text, ""})),
		passes("6.1.2", send(msg{partText, ""}, msg{partCont, ""}, msg{cont, ""}), want(msg{text, ""})),
		passes("6.1.3", send(msg{partText, ""}, msg{partCont, "middle frame payload"}, msg{cont, ""}), want(msg{text, "middle frame payload"})),
		passes("6.2.1", send(msg{text, mixed}), want(msg{text, mixed})),
		passes("6.2.2", send(msg{partText, mixed[:12]}, msg{cont, mixed[12:]}), want(msg{text, mixed})),
		passes("6.2.3", fragmented(text, mixed, 1), want(msg{text, mixed})),
		passes("6.2.4", fragmented(text, kosme, 1), want(msg{text, kosme})),
		fails("6.3.1", badText, send(msg{text, bad})),
		fails("6.3.2", badText, fragmented(text, bad, 1)),
	}
	for _, g := range utf8Groups {
		for i, s := range g.good {
			cases = append(cases, passes(fmt.Sprintf("6.%s, good %d", g.name, i+1), send(msg{text, s}), want(msg{text, s})))
		}
		for i, s := range g.bad {
			cases = append(cases, fails(fmt.Sprintf("6.%s, bad %d", g.name, i+1), badText, send(msg{text, s})))
		}
	}
	everySetting(t, func(t *testing.T, addr string, _ bool) {
		for _, k := range cases {
			k.run(t, addr)
		}
		for name, second := range map[string]string{"6.4.1 and 6.4.3": "\xf4\x90\x80\x80", "6.4.2 and 6.4.4": "\xf4\x90"} {
			t.Run(name, func(t *testing.T) { failFast(t, addr, kosme, second, "\x80\x80edited") })
		}
	})
}

// failFast is 6.4: what makes a text bad fails it at once, though more of it
// is announced; what comes before it does not.
func failFast(t *testing.T, addr, first, second, third string) {
	t.Run("in fragments", func(t *testing.T) {
		c := wstest.Connect(t, addr)
		c.Send(partText, first)
		c.Send(ping, "still here?")
		c.Expect(pong, "still here?")
		c.Send(partCont, second)
		c.ExpectClose(badText)
	})
	t.Run("in one frame", func(t *testing.T) {
		whole := first + second + third
		f := wstest.Frame(text, whole)
		at := len(f) - len(whole) + len(first)
		c := wstest.Connect(t, addr)
		c.SendBytes(f[:at])
		c.SendBytes(f[at : at+len(second)])
		c.ExpectClose(badText)
	})
	t.Run("in one frame, byte by byte", func(t *testing.T) {
		whole := first + second + third
		f := wstest.Frame(text, whole)
		c := wstest.Connect(t, addr)
		c.SendPieces(f[:len(f)-len(whole)+len(first)+2], 1) // \xf4\x90 is enough
		c.ExpectClose(badText)
	})
}
