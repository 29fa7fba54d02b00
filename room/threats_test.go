package room_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/wire"
)

// Rows of the list of threats that a command can carry; others are where their
// subject is: tokens in identity_test.go, what comes behind a connect command in
// fetchedkeys_test.go, revocation in control_test.go, rates and caps in limits_test.go.

// whole are commands with every field that they may have.
var whole = map[string]string{
	"connect":        `{"token":"t","data":{},"subs":{"r":{"recover":true,"epoch":"e","offset":1}},"name":"n","version":"v"}`,
	"refresh":        `{"token":"t"}`,
	"subscribe":      `{"channel":"r","token":"","recover":true,"epoch":"e","offset":1,"data":{},"positioned":true,"recoverable":true,"join_leave":true,"delta":""}`,
	"sub_refresh":    `{"channel":"r","token":"t"}`,
	"unsubscribe":    `{"channel":"r"}`,
	"publish":        `{"channel":"r","data":{}}`,
	"presence":       `{"channel":"r"}`,
	"presence_stats": `{"channel":"r"}`,
	"history":        `{"channel":"r","limit":1,"since":{"offset":1,"epoch":"e"},"reverse":true}`,
	"rpc":            `{"data":{},"method":"m"}`,
	"send":           `{"data":{}}`,
	"ping":           `{}`,
}

// broken are commands with one thing wrong with each field in turn.
func broken(name, fields string) (all []string) {
	all = append(all, fmt.Sprintf(`{"id":2,%q:null}`, name), fmt.Sprintf(`{"id":2,%q:7}`, name), fmt.Sprintf(`{"id":2,%q:[]}`, name),
		fmt.Sprintf(`{"id":2,%q:{}}`, name), fmt.Sprintf(`{%q:%s}`, name, fields), fmt.Sprintf(`{"id":-1,%q:%s}`, name, fields),
		fmt.Sprintf(`{"id":4294967296,%q:%s}`, name, fields), fmt.Sprintf(`{"id":2,%q:%s,"ping":{}}`, name, fields))
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, value := range []string{`null`, `7`, `-1`, `1e999`, `""`, `"x"`, `{}`, `[]`, `true`, `18446744073709551616`, `"` + strings.Repeat("x", 300) + `"`,
		`"\u0000"`, `"\ud800"`, `"a\r\nX: y"`, "\"\xff\"", deep, "\"\u202e\""} {
		i := 0
		for {
			at := strings.Index(fields[i:], `":`)
			if at < 0 {
				break
			}
			i += at + 2
			end := i + len(firstValue(fields[i:]))
			all = append(all, fmt.Sprintf(`{"id":2,%q:%s}`, name, fields[:i]+value+fields[end:]))
		}
	}
	return all
}

// firstValue is the JSON value that a text begins with.
func firstValue(s string) string {
	depth, inString := 0, false
	for i, c := range []byte(s) {
		switch {
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case (c == '}' || c == ']') && depth == 0, c == ',' && depth == 0:
			return s[:i]
		case c == '}' || c == ']':
			depth--
		}
	}
	return s
}

// TestThreatBrokenCommands: each gets an error, a result or a terminal code, and
// the server goes on.
func TestThreatBrokenCommands(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	ending := 0
	for name, fields := range whole {
		for _, line := range broken(name, fields) {
			c := n.chat()
			c.say(t, `{"id":1,"connect":{}}`)
			c.reply(t)
			// A ping behind it tells that nothing more comes for what has no reply.
			if err := c.send(ws.OpText, line+"\n"+`{"id":99,"ping":{}}`); err != nil {
				t.Fatal(err)
			}
			c.Wait()
			for {
				op, p, err := c.read()
				if err != nil {
					t.Fatalf("%.200s: %v", line, err)
				}
				if op == ws.OpClose {
					if code, _ := ws.ParseCloseFrameData(p); code < 3500 || code > 3999 {
						if code != ws.StatusInvalidFramePayloadData || !strings.Contains(line, "\xff") {
							t.Errorf("%.200s: closed with %d", line, code)
						}
					}
					ending++
					break
				}
				if bytes.Contains(p, []byte(`"id":99`)) {
					break
				}
			}
			c.Conn.Close()
		}
	}
	if ending == 0 {
		t.Error("nothing was so broken that it ended a connection")
	}
}

// TestThreatBrokenBytes is the same for Protobuf: commands with bytes changed.
func TestThreatBrokenBytes(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	command := &protocol.Command{Id: 2, Subscribe: &protocol.SubscribeRequest{Channel: "r", Recover: true, Epoch: "e", Offset: 7, Data: []byte("{}")}}
	body, err := command.MarshalCF()
	if err != nil {
		t.Fatal(err)
	}
	good := append([]byte{byte(len(body))}, body...)
	for range 300 {
		k := n.connect(wire.Protobuf)
		b := bytes.Clone(good)
		for range r.IntN(4) + 1 {
			switch at := r.IntN(len(b)); r.IntN(3) {
			case 0:
				b[at] = byte(r.Uint32())
			case 1:
				b = b[:at+1]
			case 2:
				b = append(b[:at:at], append([]byte{byte(r.Uint32())}, b[at:]...)...)
			}
		}
		if err := k.SendMessage(string(b)); err != nil {
			t.Fatal(err)
		}
		k.Say(&protocol.Command{Id: 99, Ping: &protocol.PingRequest{}})
		k.Wait()
		for {
			reply, err := k.Next()
			if err != nil {
				var end wstest.ClosedError
				if e, ok := err.(wstest.ClosedError); ok {
					end = e
				}
				if end.Code < 3500 || end.Code > 3999 {
					t.Fatalf("%x: %v", b, err)
				}
				break
			}
			if reply.Id == 99 {
				break
			}
		}
		k.Conn.Close()
	}
}

// TestThreatSameID: commands with the same id are each answered.
func TestThreatSameID(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	c := n.chat()
	c.say(t, `{"id":1,"connect":{}}`)
	c.reply(t)
	c.say(t, "%s", strings.Repeat(`{"id":5,"ping":{}}`+"\n", 9)+`{"id":5,"presence":{"channel":""}}`)
	got := ""
	for strings.Count(got, `"id":5`) < 10 {
		got += c.reply(t)
	}
	if strings.Count(got, `"error"`) != 1 {
		t.Errorf("told %s", got)
	}
}

// TestThreatBuffersAreNotShared: what two say at the same time, in pieces of all
// sizes, never mixes.
func TestThreatBuffersAreNotShared(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{Workers: 4})
	var wg sync.WaitGroup
	for i, enc := range []wire.Encoding{wire.JSON, wire.Protobuf, wire.JSON, wire.Protobuf} {
		canary := strings.Repeat(string(rune('A'+i)), 1+i*700)
		k := n.connect(enc)
		room := fmt.Sprint("room", i)
		k.Subscribe(&protocol.SubscribeRequest{Channel: room})
		wg.Go(func() {
			for round := range 200 {
				data := fmt.Sprintf(`{"text":"%d %s"}`, round, canary[:1+round*len(canary)/200])
				if err := k.Say(&protocol.Command{Id: uint32(round + 10), Publish: &protocol.PublishRequest{Channel: room, Data: []byte(data)}}); err != nil {
					t.Error(err)
					return
				}
				end := k.Wait()
				for pushed := false; !pushed; {
					r, err := k.Next()
					if err != nil {
						t.Error(err)
						return
					}
					if pushed = r.Push != nil && r.Push.Pub != nil; pushed && (string(r.Push.Pub.Data) != data || r.Push.Channel != room) {
						t.Errorf("%s gets %.80s, want %.80s", room, r.Push.Pub.Data, data)
						return
					}
				}
				end()
			}
		})
	}
	wg.Wait()
}
