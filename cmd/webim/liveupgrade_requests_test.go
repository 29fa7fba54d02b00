package main_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
)

// testUpgradeRequests checks that each request to the server API gets an answer, whatever upgrade comes in between: most of them that
// it is done, and some that they are to be sent again. Each message is published once.
func testUpgradeRequests(t *testing.T, program string) {
	for name, by := range map[string]string{"Spawn": "spawn", "InPlace": "exec"} {
		t.Run(name, func(t *testing.T) {
			const key = "0123456789abcdef0123456789abcdef"
			file := filepath.Join(t.TempDir(), "key")
			putInPlace(t, file, key)
			internal := wstest.FreeAddr(t).String()
			m := startMoving(t, program, "--open", "--engine", "memory", "--internal", internal, "--api-key-file", file, "--upgrade-by", by)
			m.inPlace = by == "exec"
			member := wstest.ConnectPath(t, m.addr, "/requests")
			var got atomic.Int64
			var ended atomic.Bool // the last message has come
			var reading, asking sync.WaitGroup
			reading.Go(func() {
				for {
					member.ResetDeadline()
					switch op, text, err := member.ReadMessage(); {
					case err != nil:
						return
					case op == ws.OpText && string(text) == lastMessage:
						ended.Store(true)
					case op == ws.OpText:
						got.Add(1)
					}
				}
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var done, again atomic.Int64
			for range 4 {
				asking.Go(func() {
					next := beginPublish(t, internal, key)
					for next != nil && ctx.Err() == nil { // at each moment, one request is sent by half
						conn := next
						next = beginPublish(t, internal, key)
						switch finishPublish(t, conn, "hi") {
						case http.StatusOK:
							done.Add(1)
						case http.StatusServiceUnavailable, http.StatusRequestTimeout:
							again.Add(1)
						}
					}
					if next != nil {
						next.Close()
					}
				})
			}
			defer func() { cancel(); asking.Wait() }() // also if an upgrade fails
			for range 3 {
				n := done.Load()
				wstest.Eventually(t, "messages are published", func() bool { return done.Load() > n+50 })
				m.upgrade()
			}
			n := done.Load()
			wstest.Eventually(t, "messages are published after the last upgrade", func() bool { return done.Load() > n+50 })
			cancel()
			asking.Wait()
			if last := beginPublish(t, internal, key); last == nil || finishPublish(t, last, lastMessage) != http.StatusOK {
				t.Fatal("the last message is not published")
			}
			wstest.Eventually(t, "the last message comes behind all others", ended.Load)
			t.Logf("%d requests are done, %d were to be sent again", done.Load(), again.Load())
			if got.Load() != done.Load() {
				t.Errorf("%d messages have come, and %d were published", got.Load(), done.Load())
			}
			member.Conn.Close()
			reading.Wait()
		})
	}
}

// lastMessage is the text behind which no other message comes.
const lastMessage = "the last one"

// beginPublish sends half of a request on a connection of its own. It returns nil after an error.
func beginPublish(t *testing.T, addr, key string) net.Conn {
	conn, err := net.DialTimeout("tcp", addr, wstest.Patience)
	if err == nil {
		_, err = fmt.Fprintf(conn, "POST /api/publish HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: %s\r\n", key)
	}
	if err != nil {
		t.Errorf("beginning a request: %v", err)
		return nil
	}
	return conn
}

// finishPublish sends the rest with the text of a message, and returns the status of the answer.
func finishPublish(t *testing.T, conn net.Conn, text string) (status int) {
	defer conn.Close()
	body := fmt.Sprintf(`{"channel":"requests","data":{"text":%q}}`, text)
	_, err := fmt.Fprintf(conn, "Content-Length: %d\r\n\r\n%s", len(body), body)
	var r *http.Response
	if err == nil {
		r, err = http.ReadResponse(bufio.NewReader(conn), nil)
	}
	if err != nil {
		t.Errorf("a request has no answer: %v", err)
		return 0
	}
	defer r.Body.Close()
	if again := r.Header.Get("Retry-After"); r.StatusCode == http.StatusServiceUnavailable && again != "1" || r.StatusCode != 200 && r.StatusCode != 503 && r.StatusCode != 408 {
		t.Errorf("a request gets %s, with Retry-After %q", r.Status, again)
	}
	return r.StatusCode
}
