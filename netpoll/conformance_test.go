package netpoll_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/netpoll/wstest/shortwrite"
)

// The cases of the Autobahn test suite for WebSocket servers, judged as its
// plain "OK" (never "non-strict"), and stricter in this: a connection that
// fails must be told why, and must end with the end of stream, not a reset.
// Families 1–5, 7 and 10 are here, 6, 9, 12 and 13 in the files beside it.

// First bytes of frames: FIN and opcode; part…: without FIN.
const (
	text, bin, cont        = 0x81, 0x82, 0x80
	closeOp, ping, pong    = 0x88, 0x89, 0x8a
	partText, partBin      = 0x01, 0x02
	partCont               = 0x00
	rsv1, rsv2, rsv3       = 0x40, 0x20, 0x10
	normal, protocolFailed = 1000, 1002
	badText, tooBig        = 1007, 1009
)

// msg is a frame, to be sent or to be seen.
type msg struct {
	b0      byte
	payload string
}

// conf is a case: what is sent and what must come back, by stages, and the
// code the server must close with; 0: the client closes, with 1000.
type conf struct {
	id     string
	stages []stage
	code   int
	closes bool // the frames sent contain a Close frame
}

type stage struct{ send, want []msg }

func send(m ...msg) []msg { return m }
func want(m ...msg) []msg { return m }

func passes(id string, send, want []msg) conf {
	return conf{id: id, stages: []stage{{send, want}}}
}

func fails(id string, code int, send []msg, want ...msg) conf {
	return conf{id: id, stages: []stage{{send, want}}, code: code}
}

func closes(id string, code int, send []msg, want ...msg) conf {
	return conf{id: id, stages: []stage{{send, want}}, code: code, closes: true}
}

// ways are how frames are handed to the kernel; the suite tries one or two of
// them a case, here every case goes all of them.
var ways = []struct {
	name  string
	write func(c *wstest.Client, frames [][]byte)
}{
	{"at once", func(c *wstest.Client, frames [][]byte) { c.SendBytes(bytes.Join(frames, nil)) }},
	{"by frame", func(c *wstest.Client, frames [][]byte) {
		for _, f := range frames {
			c.SendBytes(f)
		}
	}},
	{"chopped", func(c *wstest.Client, frames [][]byte) {
		b := bytes.Join(frames, nil)
		n := 1
		if len(b) > 2000 {
			n = 997
		}
		c.SendPieces(b, n)
	}},
}

func (k conf) run(t *testing.T, addr string) {
	for _, way := range ways {
		t.Run(k.id+" "+way.name, func(t *testing.T) {
			c := wstest.Connect(t, addr)
			for _, st := range k.stages {
				var frames [][]byte
				for _, m := range st.send {
					frames = append(frames, wstest.Frame(m.b0, m.payload))
				}
				way.write(c, frames)
				for _, m := range st.want {
					c.Expect(m.b0, m.payload)
				}
			}
			switch {
			case k.code == 0:
				c.Leave()
			default:
				c.Closing = k.closes
				c.ExpectClose(k.code)
			}
		})
	}
}

// settings are the configurations that the whole table runs in.
var settings = []struct {
	name   string
	cfg    netpoll.Config
	writes int // see shortwrite.Limit
}{
	{name: "default"},
	{name: "one loop, one worker", cfg: netpoll.Config{Loops: 1, Workers: 1}},
	{name: "on the loop", cfg: netpoll.Config{Loops: 1, Workers: 1, RunOnLoop: true}},
	{name: "writes of 3 bytes", writes: 3},
}

// everySetting runs f against an echo server in each configuration.
func everySetting(t *testing.T, f func(t *testing.T, addr string, capped bool)) {
	for _, set := range settings {
		t.Run(set.name, func(t *testing.T) {
			cfg := set.cfg
			cfg.MaxMessage, cfg.MaxQueue = 32<<20, 64<<20
			shortwrite.Limit(t, set.writes)
			_, addr := start(t, cfg, echo())
			f(t, addr, set.writes > 0)
		})
	}
}

func TestConformance(t *testing.T) {
	cases := bytes1()
	for _, family := range [][]conf{pings2(), rsv3family(), opcodes4(), fragments5(), closes7(), auto10()} {
		cases = append(cases, family...)
	}
	everySetting(t, func(t *testing.T, addr string, _ bool) {
		for _, k := range cases {
			k.run(t, addr)
		}
	})
}

// bytes1 is family 1: every size class, text and binary.
func bytes1() (ks []conf) {
	for kind, b0 := range []byte{text, bin} {
		for i, size := range []int{0, 125, 126, 127, 128, 65535, 65536} {
			m := msg{b0, strings.Repeat([]string{"*", "\xfe"}[kind], size)}
			ks = append(ks, passes(fmt.Sprintf("1.%d.%d", kind+1, i+1), send(m), want(m)))
		}
	}
	return ks
}

// pings2 is family 2: pings, pongs, and pongs nobody asked for.
func pings2() []conf {
	var ten, pongs []msg
	for i := range 10 {
		p := fmt.Sprintf("payload-%d", i)
		ten, pongs = append(ten, msg{ping, p}), append(pongs, msg{pong, p})
	}
	full := strings.Repeat("\xfe", 125)
	return []conf{
		passes("2.1", send(msg{ping, ""}), want(msg{pong, ""})),
		passes("2.2", send(msg{ping, "Hello, world!"}), want(msg{pong, "Hello, world!"})),
		passes("2.3", send(msg{ping, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"}), want(msg{pong, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"})),
		passes("2.4", send(msg{ping, full}), want(msg{pong, full})),
		fails("2.5", protocolFailed, send(msg{ping, full + "\xfe"})),
		passes("2.7", send(msg{pong, ""}), nil),
		passes("2.8", send(msg{pong, "unsolicited pong payload"}), nil),
		passes("2.9", send(msg{pong, "unsolicited pong payload"}, msg{ping, "ping payload"}), want(msg{pong, "ping payload"})),
		passes("2.10", ten, pongs),
	}
}

// rsv3family is family 3: reserved bits, on every opcode and in the middle.
func rsv3family() []conf {
	hello := msg{text, "Hello, world!"}
	ks := []conf{fails("3.1", protocolFailed, send(msg{text | rsv3, hello.payload}))}
	for i, bits := range []byte{rsv2, rsv2 | rsv3, rsv1} {
		ks = append(ks, fails(fmt.Sprint("3.", i+2), protocolFailed,
			send(hello, msg{text | bits, hello.payload}, msg{ping, ""}), hello))
	}
	return append(ks,
		fails("3.5", protocolFailed, send(msg{bin | rsv1 | rsv3, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"})),
		fails("3.6", protocolFailed, send(msg{ping | rsv1 | rsv2, "Hello, world!"})),
		fails("3.7", protocolFailed, send(msg{closeOp | rsv1 | rsv2 | rsv3, ""})),
		fails("3.x on a continuation", protocolFailed, send(msg{partText, "a"}, msg{cont | rsv1, "b"})),
	)
}

// opcodes4 is family 4: every reserved opcode, alone and behind a message.
func opcodes4() (ks []conf) {
	hello := msg{text, "Hello, world!"}
	for i, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		id := fmt.Sprintf("4.%d.%d", 1+i/5, 1+i%5)
		ks = append(ks,
			fails(id, protocolFailed, send(msg{0x80 | op, ""})),
			fails(id+" with payload", protocolFailed, send(msg{0x80 | op, "reserved opcode payload"})),
			fails(id+" behind a message", protocolFailed, send(hello, msg{0x80 | op, "x"}, msg{ping, ""}), hello))
	}
	return ks
}

// fragments5 is family 5: fragmentation, with control frames between.
func fragments5() []conf {
	p := func(i int) string { return fmt.Sprint("fragment", i) }
	ks := []conf{
		fails("5.1", protocolFailed, send(msg{0x09, p(1)}, msg{cont, p(2)})),
		fails("5.2", protocolFailed, send(msg{0x0a, p(1)}, msg{cont, p(2)})),
		passes("5.3-5", send(msg{partText, p(1)}, msg{cont, p(2)}), want(msg{text, p(1) + p(2)})),
		passes("5.6-8", send(msg{partText, p(1)}, msg{ping, "ping payload"}, msg{cont, p(2)}), want(msg{pong, "ping payload"}, msg{text, p(1) + p(2)})),
		fails("5.9-11", protocolFailed, send(msg{cont, "non-continuation payload"}, msg{text, "Hello, world!"})),
		fails("5.12-14", protocolFailed, send(msg{partCont, "non-continuation payload"}, msg{text, "Hello, world!"})),
		fails("5.15", protocolFailed, send(msg{partText, p(1)}, msg{cont, p(2)}, msg{partCont, p(3)}, msg{text, p(4)}), msg{text, p(1) + p(2)}),
		fails("5.16", protocolFailed, send(msg{partCont, p(1)}, msg{text, p(2)}, msg{partCont, p(1)}, msg{text, p(2)})),
		fails("5.17", protocolFailed, send(msg{cont, p(1)}, msg{text, p(2)}, msg{cont, p(1)}, msg{text, p(2)})),
		fails("5.18", protocolFailed, send(msg{partText, p(1)}, msg{text, p(2)})),
		passes("5.x binary", send(msg{partBin, "\xff"}, msg{partCont, ""}, msg{cont, "\xfe"}), want(msg{bin, "\xff\xfe"})),
	}
	// The first ping must be answered before the message is finished.
	return append(ks, conf{id: "5.19-20", stages: []stage{
		{send(msg{partText, p(1)}, msg{partCont, p(2)}, msg{ping, "pongme 1!"}), want(msg{pong, "pongme 1!"})},
		{send(msg{partCont, p(3)}, msg{partCont, p(4)}, msg{ping, "pongme 2!"}, msg{cont, p(5)}),
			want(msg{pong, "pongme 2!"}, msg{text, p(1) + p(2) + p(3) + p(4) + p(5)})},
	}})
}

// closes7 is family 7: the closing handshake, its codes and reasons.
func closes7() []conf {
	bye := msg{closeOp, wstest.ClosePayload(1000, "")}
	hello := msg{text, "Hello World!"}
	large := msg{text, strings.Repeat("BAsd7&jh23", 26214)}
	ks := []conf{
		closes("7.1.1", normal, send(hello, bye), hello),
		closes("7.1.2", normal, send(bye, bye)),
		closes("7.1.3", normal, send(bye, msg{ping, ""})),
		closes("7.1.4", normal, send(bye, hello)),
		closes("7.1.5", normal, send(msg{partText, "fragment1"}, bye, msg{cont, "fragment2"})),
		closes("7.1.6", normal, send(large, hello, bye, msg{ping, ""}), large, hello),
		closes("7.3.1", 1005, send(msg{closeOp, ""})),
		closes("7.3.2", protocolFailed, send(msg{closeOp, "a"})),
		closes("7.3.3", normal, send(bye)),
		closes("7.3.4", normal, send(msg{closeOp, wstest.ClosePayload(1000, "Hello World!")})),
		closes("7.3.5", normal, send(msg{closeOp, wstest.ClosePayload(1000, strings.Repeat("*", 123))})),
		closes("7.3.6", protocolFailed, send(msg{closeOp, wstest.ClosePayload(1000, strings.Repeat("*", 124))})),
		closes("7.5.1", badText, send(msg{closeOp, wstest.ClosePayload(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited")})),
	}
	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		ks = append(ks, closes(fmt.Sprint("7.7.", i+1), code, send(msg{closeOp, wstest.ClosePayload(code, "")})))
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		ks = append(ks, closes(fmt.Sprint("7.9.", i+1), protocolFailed, send(msg{closeOp, wstest.ClosePayload(code, "")})))
	}
	return ks
}

// auto10 is family 10: a message in many fragments.
func auto10() []conf {
	payload := strings.Repeat("*", 65536)
	return []conf{passes("10.1.1", fragmented(text, payload, 1300), want(msg{text, payload}))}
}

// fragmented cuts a message into frames of n bytes.
func fragmented(b0 byte, payload string, n int) (ms []msg) {
	b0 &^= 0x80
	for len(payload) > n {
		ms = append(ms, msg{b0, payload[:n]})
		b0, payload = partCont, payload[n:]
	}
	return append(ms, msg{b0 | 0x80, payload})
}
