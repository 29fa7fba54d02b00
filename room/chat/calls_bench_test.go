package chat

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"webim/room"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// BenchmarkCalls measures calls over sockets, from the client's write to its read of the reply.
// Each connection waits for a reply before it sends the next call. The client is on the same
// machine and takes about half of the time.
func BenchmarkCalls(b *testing.B) {
	for _, call := range []struct{ name, method, data string }{
		{"send", "send", `{"room":"lobby","data":{"text":"hello"}}`},
		{"edit", "edit", ""}, // of a message that has just been sent: two calls
		{"mark", "mark", `{"room":"lobby","read":1}`},
		{"messages", "messages", `{"room":"lobby","limit":10}`},
		{"typing", "typing", `{"room":"lobby"}`},
	} {
		for _, conns := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d", call.name, conns), func(b *testing.B) {
				o := talkative()
				o.History.Messages = 100
				h := build(b, room.Config{Options: policy.Patterns{{Match: "*", Options: o}}.Options})
				var callers []*caller
				for i := range conns {
					c := h.caller(b, fmt.Sprint("user", i))
					own := fmt.Sprint("room", i)
					for _, name := range []string{"lobby", own} {
						c.call(b, "send", fmt.Sprintf(`{"room":%q,"data":{"text":"hello"}}`, name))
					}
					c.method, c.data, c.own = call.method, call.data, own
					callers = append(callers, c)
				}
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var all sync.WaitGroup
				for _, c := range callers {
					all.Go(func() {
						for left.Add(-1) >= 0 {
							if c.method == "edit" {
								c.edit(b)
							} else {
								c.call(b, c.method, c.data)
							}
						}
					})
				}
				all.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			})
		}
	}
}

// caller is a client that allocates little.
type caller struct {
	conn         net.Conn
	id           int
	method, data string
	own          string // a room in which nobody else sends
}

func (h *house) caller(b *testing.B, user string) *caller {
	text, err := h.signer.Sign(token.Claims{User: user})
	if err != nil {
		b.Fatal(err)
	}
	conn, _, _, err := ws.Dial(context.Background(), "ws://"+h.addr+wire.EndpointPath)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	c := &caller{conn: conn, id: 1}
	c.ask(b, fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, text), 1)
	return c
}

func (c *caller) call(b *testing.B, method, data string) string {
	c.id++
	return c.ask(b, fmt.Sprintf(`{"id":%d,"rpc":{"method":%q,"data":%s}}`, c.id, method, data), c.id)
}

func (c *caller) edit(b *testing.B) {
	_, offset, _ := strings.Cut(c.call(b, "send", fmt.Sprintf(`{"room":%q,"data":{"text":"hello"}}`, c.own)), `"offset":`)
	offset, _, _ = strings.Cut(offset, ",")
	c.call(b, "edit", fmt.Sprintf(`{"room":%q,"offset":%s,"data":{"text":"hello, too"}}`, c.own, offset))
}

// ask sends a command and returns its reply, which must have no error.
func (c *caller) ask(b *testing.B, command string, id int) string {
	if err := wsutil.WriteClientText(c.conn, []byte(command)); err != nil {
		b.Error(err)
		return ""
	}
	for want := fmt.Sprintf(`{"id":%d,`, id); ; {
		got, err := wsutil.ReadServerText(c.conn)
		if err != nil {
			b.Error(err)
			return ""
		}
		if at := strings.Index(string(got), want); at >= 0 {
			if strings.Contains(string(got[at:]), `"error":{`) {
				b.Errorf("%s: %s", command, got)
			}
			return string(got[at:])
		}
	}
}
