package room_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/wire"
)

// Rows of the list of threats that lie between the frames and the commands.

// A whole life in one go, or a byte at a time: the handshake, the commands, and the
// end of the stream; all are answered.
func TestThreatWholeLife(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		for _, piece := range []int{1 << 20, 1} {
			conn, err := net.Dial("tcp", n.addr)
			if err != nil {
				t.Fatal(err)
			}
			var all bytes.Buffer
			k := protocolOver(t, &gathering{conn, &all}, enc)
			subprotocol := map[wire.Encoding]string{wire.Protobuf: wire.SubprotocolProtobuf}[enc]
			all.Write(wstest.UpgradePath(wire.EndpointPath, offers(noDeflate, subprotocol)...))
			k.Say(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{}}, &protocol.Command{Id: 2, Subscribe: &protocol.SubscribeRequest{Channel: "r"}})
			k.Say(&protocol.Command{Id: 3, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{"text":"last words"}`)}}, &protocol.Command{Id: 4, Ping: &protocol.PingRequest{}})
			for b := all.Bytes(); len(b) > 0; {
				m := min(piece, len(b))
				if _, err := conn.Write(b[:m]); err != nil {
					t.Fatal(err)
				}
				b = b[m:]
			}
			k.Client = wstest.NewClient(t, conn)
			k.HangUp()
			if err := k.raw().readHead(); err != nil {
				t.Fatal(err)
			}
			answered := map[uint32]bool{}
			k.Wait()
			for {
				r, err := k.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				answered[r.Id] = r.Error == nil
			}
			if !answered[1] || !answered[2] || !answered[3] || !answered[4] {
				t.Errorf("in pieces of %d: answered are %v", piece, answered)
			}
			conn.Close()
		}
	})
}

// gathering is a connection whose writes are kept back.
type gathering struct {
	net.Conn
	all *bytes.Buffer
}

func (g *gathering) Write(b []byte) (int, error) { return g.all.Write(b) }

// One deadline for the first command, whatever trickles in meanwhile: a byte at a
// time, fragments, control frames, empty commands.
func TestThreatSlowFirstCommand(t *testing.T) {
	c := openConfig()
	c.ConnectTimeout = 50 * time.Millisecond
	n := start(t, c, netpoll.Config{})
	connect := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{"id":1,"connect":{}}`))))
	begun := ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte(`{`))))
	for name, trickle := range map[string]struct{ first, then []byte }{
		"bytes":     {connect[:len(connect)-5], nil},
		"fragments": {begun, ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpContinuation, false, []byte(" "))))},
		"pings":     {nil, ws.MustCompileFrame(ws.MaskFrame(ws.NewPingFrame(nil)))},
		"pongs":     {nil, ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("{}"))))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := n.open(wire.JSON)
			if _, err := k.Conn.Write(trickle.first); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for range tick.C {
					if _, err := k.Conn.Write(trickle.then); err != nil {
						return
					}
				}
			}()
			k.Wait()
			for {
				op, p, err := k.ReadMessage()
				if err != nil {
					t.Fatal(err)
				}
				if op == ws.OpClose {
					if code, _ := ws.ParseCloseFrameData(p); code != ws.StatusCode(wire.DisconnectStale) {
						t.Errorf("closed with %d", code)
					}
					break
				}
			}
			k.Conn.Close()
			<-done
		})
	}
}

// 60 KB that inflate to 60 MB, before connect and after, in each dialect: 1009.
func TestThreatBombInCommands(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	// The second part refers to the first only, and so does each copy of it: compressing all 60 MB takes long.
	part := bytes.Repeat([]byte("{}\n"), 1<<20)
	w.Write(part)
	w.Flush()
	first := b.Len()
	w.Write(part)
	w.Flush()
	bomb := append(b.Bytes(), bytes.Repeat(b.Bytes()[first:], 18)...)
	bomb = bytes.TrimSuffix(bomb, []byte("\x00\x00\xff\xff"))
	send := func(c *client, op ws.OpCode) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f := ws.NewFrame(op, true, bomb)
		f.Header.Rsv = ws.Rsv(true, false, false)
		c.Wait()
		go ws.WriteFrame(c.Conn, ws.MaskFrame(f))
		for {
			op, p, err := c.read()
			if err != nil {
				t.Fatal(err)
			}
			if op != ws.OpClose {
				continue
			}
			if code, _ := ws.ParseCloseFrameData(p); code != 1009 {
				t.Errorf("closed with %d", code)
			}
			break
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 24<<20 {
			t.Errorf("%d bytes were allocated for a bomb", after.TotalAlloc-before.TotalAlloc)
		}
		c.Conn.Close()
	}
	for _, connected := range []bool{false, true} {
		for _, enc := range bothEncodings {
			k, err := dialProtocol(t, new(net.Dialer), n.addr, enc, deflate)
			if err != nil {
				t.Fatal(err)
			}
			if connected {
				k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{}})
			}
			op := ws.OpText
			if enc == wire.Protobuf {
				op = ws.OpBinary
			}
			send(k.raw(), op)
		}
	}
	send(n.join("/r", deflate), ws.OpText)
}

// Lengths of Protobuf that lie: more than there is, near 2^63 and 2^64, and over it;
// before connect and after, of commands and of what is in them. Nothing is allocated
// for them, and nothing is read beyond.
func TestThreatLyingLengths(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, length := range []uint64{2, 1 << 30, 1<<31 - 1, 1 << 31, 1 << 32, math.MaxInt64, 1 << 63, math.MaxUint64} {
		for _, connected := range []bool{false, true} {
			varint := string(binary.AppendUvarint(nil, length))
			field := "\x08\x02\x2a" + varint + "\x0a" // a subscribe command that is said to be so long
			for _, message := range []string{varint + "\x08", string(binary.AppendUvarint(nil, uint64(len(field)))) + field} {
				k := n.open(wire.Protobuf)
				if connected {
					k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{}})
				}
				if err := k.SendMessage(message); err != nil {
					t.Fatal(err)
				}
				k.expectClose(t, wire.DisconnectBadRequest)
			}
		}
	}
	k := n.open(wire.Protobuf)
	if err := k.SendMessage(strings.Repeat("\xff", 10) + "\x01"); err != nil { // a length of eleven bytes
		t.Fatal(err)
	}
	k.expectClose(t, wire.DisconnectBadRequest)
	if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 64<<20 {
		t.Errorf("%d bytes were allocated for lengths", after.TotalAlloc-before.TotalAlloc)
	}
}

// What a Protobuf sender says reaches others as one line of JSON and as UTF-8, or not
// at all: it can pretend no frames, and no text that is none.
func TestThreatTextOfProtobuf(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	from, reader, plain := n.connect(wire.Protobuf), n.chat(), n.join("/r", noDeflate)
	reader.say(t, `{"id":1,"connect":{}}`)
	reader.reply(t)
	reader.say(t, `{"id":2,"subscribe":{"channel":"r"}}`)
	reader.reply(t)
	for _, data := range []string{"", "\xff", `"` + "\xff" + `"`, `{"text":"` + "\xc3" + `"}`, `{} {}`, "{}\n" + `{"id":9,"ping":{}}`, `{"a":1}}`, `{"text":"x"`, "\x00",
		"\"\x01\"", `{"text":"` + "a\nb" + `"}`, strings.Repeat("[", 60) + strings.Repeat("]", 60), "NaN", "'x'", "\ufeff{}", `{"text":"` + "\xed\xa0\x80" + `"}`} {
		from.expectError(t, wire.ErrBadRequest, &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(data)}})
	}
	for _, room := range []string{"", "a\r\nb", "\u202eb", "\u2028", strings.Repeat("x", 256)} {
		from.expectError(t, wire.ErrBadRequest, &protocol.Command{Publish: &protocol.PublishRequest{Channel: room, Data: []byte("{}")}})
		from.expectError(t, wire.ErrBadRequest, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: room}})
	}
	mad := n.connect(wire.Protobuf)
	if err := mad.Say(&protocol.Command{Id: 9, Subscribe: &protocol.SubscribeRequest{Channel: "\xff"}}); err != nil {
		t.Fatal(err)
	}
	mad.expectClose(t, wire.DisconnectBadRequest)
	from.Publish("r", "{\n\"text\"\r\n:\t\"\\u0041 \u202e<b>\"\n}")
	line := reader.reply(t)
	if strings.ContainsAny(line, "\r\n") || !json.Valid([]byte(line)) || !utf8.ValidString(line) {
		t.Errorf("told %q", line)
	}
	if op, p, err := plain.read(); err != nil || op != ws.OpText || string(p) != "A \u202e<b>" {
		t.Errorf("told plainly %x %q, %v", op, p, err)
	}
	plain.leave(t)
}

// No error tells a client what it said.
func TestThreatErrorsEchoNothing(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	const canary = "c4n4ry"
	c := n.chat()
	c.say(t, `{"id":1,"connect":{}}`)
	c.reply(t)
	bad := fmt.Sprintf("%q", canary+"\r\nX: y")
	long := `"` + strings.Repeat(canary, 60) + `"`
	for _, name := range []string{bad, long} {
		for i, command := range []string{`"subscribe":{"channel":%s}`, `"unsubscribe":{"channel":%s}`, `"publish":{"channel":%s,"data":{}}`,
			`"presence":{"channel":%s}`, `"presence_stats":{"channel":%s}`, `"history":{"channel":%s}`, `"rpc":{"method":%s,"data":{}}`,
			`"sub_refresh":{"channel":%s,"token":"x"}`, `"refresh":{"token":%s}`, `"subscribe":{"channel":"r","token":%s}`, `"subscribe":{"channel":"r","epoch":%s,"type":1}`} {
			c.say(t, `{"id":%d,%s}`, i+2, fmt.Sprintf(command, name))
			if got := c.reply(t); strings.Contains(got, canary) || !strings.Contains(got, `"error"`) {
				if strings.HasPrefix(got, "close ") {
					t.Fatalf("%s: %s", command, got)
				}
				t.Errorf("%s: %s", command, got)
			}
		}
	}
}

// Who asks without end and does not read is not read either at its bound, and cut as
// slow when it has taken nothing for too long; neither its replies nor its neighbours'
// messages grow beyond that.
func TestThreatRepliesUnread(t *testing.T) {
	const most = 64 << 10
	n := start(t, quietly(openConfig()), netpoll.Config{MaxQueue: most, SendBuffer: 4 << 10, WriteTimeout: time.Second,
		CloseTimeout: 100 * time.Millisecond}) // it does not answer the Close frame either
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		k, other := n.connect(enc), n.connect(enc)
		k.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		var all []*protocol.Command
		for i := range 200 {
			all = append(all, &protocol.Command{Id: uint32(i + 1000), Ping: &protocol.PingRequest{}})
		}
		peak, before := int64(0), n.s.Stats().Closed[netpoll.Slow]
		for range 1_000_000 {
			peak = max(peak, n.s.Stats().Queued)
			if k.Say(all...) != nil {
				break
			}
		}
		wstest.Eventually(t, "it is cut", func() bool { return n.s.Stats().Closed[netpoll.Slow] == before+1 })
		if peak > most+wireSlack {
			t.Errorf("%d bytes waited, the bound is %d", peak, most)
		}
		if r := other.Ask(&protocol.Command{Ping: &protocol.PingRequest{}}); r.Ping == nil {
			t.Errorf("the other is told %v", r)
		}
		k.Conn.Close()
		other.Conn.Close()
	})
}

// wireSlack is what memory of the queue's own, and a last message, add to its bound.
const wireSlack = 256 << 10
