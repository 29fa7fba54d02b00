package netpoll_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/netpoll/wstest/shortwrite"
)

// Buffers are shared and lent all over netpoll: no byte of one client's
// message may reach another's. Every client has a letter; its messages, of
// all sizes, whole, in fragments and compressed, are nothing but that letter,
// and so must be all that comes back, while broadcasts go by between.
func TestThreatBuffers(t *testing.T) {
	count, messages := 8, 40
	if wstest.Long() {
		count, messages = 24, 1000
	}
	for _, set := range settings {
		t.Run(set.name, func(t *testing.T) {
			messages := messages
			if set.writes > 0 {
				messages /= 4
			}
			h := &netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
				if op == ws.OpText { // to all
					f, err := netpoll.NewFrame(op, data)
					if err != nil {
						panic(err)
					}
					for to := range c.Server().Conns() {
						_ = to.PushFrame(f)
					}
					return
				}
				_ = c.Push(op, data)
				clear(data) // the handler may do as it likes with it
			}}
			shortwrite.Limit(t, set.writes)
			cfg := set.cfg
			cfg.MaxQueue = 64 << 20
			_, addr := start(t, cfg, h)
			var clients []*wstest.Client
			var deflates []bool
			for i := range count {
				var headers []string
				if i%2 == 1 {
					headers = []string{"Sec-WebSocket-Extensions: permessage-deflate"}
				}
				clients, deflates = append(clients, wstest.Connect(t, addr, headers...)), append(deflates, i%2 == 1)
			}
			var wg sync.WaitGroup
			for i, c := range clients {
				wg.Go(func() { speak(t, c, byte('a'+i), messages, deflates[i]) })
				wg.Go(func() {
					if err := listen(c, byte('a'+i), messages, count); err != nil {
						t.Errorf("client %c: %v", 'a'+i, err)
					}
				})
			}
			wg.Wait()
			for _, c := range clients {
				c.Conn.Close()
			}
		})
	}
}

// What is left of a read waits somewhere else while the worker's buffer serves
// others: a frame cut anywhere is not mended with another client's bytes.
func TestThreatBuffersBetweenReads(t *testing.T) {
	_, addr := start(t, netpoll.Config{Loops: 1, Workers: 1}, echo())
	b := wstest.Connect(t, addr)
	for _, m := range []msg{{text, "aaaa"}, {ping, "aaaa"}, {text, strings.Repeat("a", 300)}, {0, ""}} {
		f, answer := wstest.Frame(m.b0, m.payload), m.b0
		switch m.b0 {
		case ping:
			answer = pong
		case 0:
			f = wstest.Upgrade()
		}
		for cut := 1; cut < len(f); cut++ {
			a := wstest.Dial(t, addr)
			if answer != 0 {
				a.Handshake()
			}
			a.SendBytes(f[:cut])
			for range 2 { // the first answer may come before a's bytes do
				b.Send(text, strings.Repeat("b", 1000))
				b.Expect(text, strings.Repeat("b", 1000))
			}
			a.SendBytes(f[cut:])
			if answer != 0 {
				a.Expect(answer, m.payload)
			} else if r := a.Response(); r.StatusCode != 101 {
				t.Fatalf("handshake cut at %d: %s", cut, r.Status)
			}
			a.Conn.Close()
		}
	}
}

// speak sends binary messages of one letter, and every tenth as a text to all.
func speak(t *testing.T, c *wstest.Client, letter byte, messages int, deflate bool) {
	r := rand.New(rand.NewPCG(uint64(letter), 1))
	for i := range messages {
		m := strings.Repeat(string(letter), 1+r.IntN(1<<r.IntN(16)))
		b0 := byte(bin)
		if i%10 == 0 {
			b0, m = text, fmt.Sprintf("%c:%s", letter, strings.Repeat(string(letter), 1000))
		}
		if deflate && i%3 == 0 {
			b0, m = b0|rsv1, deflated(t, 1, m)
		}
		var b []byte
		for _, f := range fragmented(b0, m, 1+r.IntN(len(m)+100)) {
			b = append(b, wstest.Frame(f.b0, f.payload)...)
		}
		for len(b) > 0 {
			n := min(len(b), 1+r.IntN(1<<(4+r.IntN(12)))) // often within a header
			c.ResetDeadline()
			if _, err := c.Conn.Write(b[:n]); err != nil {
				t.Errorf("client %c: %v", letter, err)
				return
			}
			b = b[n:]
		}
	}
}

// listen reads the client's own echoes and everybody's broadcasts.
func listen(c *wstest.Client, letter byte, messages, clients int) error {
	broadcasts := (messages + 9) / 10
	seen := map[byte]int{}
	for own, all := 0, 0; own < messages-broadcasts || all < broadcasts*clients; {
		b0, p, err := c.ReadFrame()
		if err != nil {
			return fmt.Errorf("after %d echoes and %d broadcasts: %w", own, all, err)
		}
		m := string(p)
		if b0&rsv1 != 0 {
			if m, err = inflated(p); err != nil {
				return err
			}
		}
		switch b0 &^ rsv1 {
		case ping:
			continue
		case bin:
			own++
			if len(m) == 0 || strings.Trim(m, string(letter)) != "" {
				return fmt.Errorf("an echo has another's bytes: %s", wstest.Brief(m))
			}
		case text:
			all++
			if len(m) != 1002 || m[1] != ':' || strings.Trim(m[2:], m[:1]) != "" {
				return fmt.Errorf("a broadcast is mixed: %s", wstest.Brief(m))
			}
			seen[m[0]]++
		default:
			return fmt.Errorf("frame %02x %s", b0, wstest.Brief(m))
		}
	}
	for from, n := range seen {
		if n != broadcasts {
			return fmt.Errorf("%d broadcasts of %c, want %d", n, from, broadcasts)
		}
	}
	return nil
}
