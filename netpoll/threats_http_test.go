package netpoll_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// What clients will try before they are connected.

// canary stands in everything that must not come back.
const canary = "c4n4ry"

// ask sends raw bytes and returns the status of the answer, behind which the
// stream must end unless it is a 101.
func ask(t *testing.T, addr, raw string) *http.Response {
	t.Helper()
	c := wstest.Dial(t, addr)
	c.SendBytes([]byte(raw))
	r := c.Response()
	if r.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(fmt.Sprint(r.Header, string(body)), canary) {
			t.Errorf("the answer echoes what was sent: %v %q", r.Header, body)
		}
		if r.Close {
			c.ExpectEOF()
		}
	} else if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-WebSocket-Accept") == "" {
		t.Errorf("101 with %v", r.Header)
	}
	c.Conn.Close()
	return r
}

// lines joins a head; "" at the end is the empty line.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n\r\n" }

const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

func TestThreatProtocolConfusion(t *testing.T) {
	_, addr := start(t, netpoll.Config{}, echo())
	good := []string{"Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", key}
	with := func(first string, more ...string) string {
		return lines(append(append([]string{first}, good...), more...)...)
	}
	without := func(i int) string {
		return lines(append(append([]string{"GET / HTTP/1.1"}, good[:i]...), good[i+1:]...)...)
	}
	for _, tt := range []struct {
		name, raw string
		status    int
	}{
		{"good", with("GET / HTTP/1.1"), 101},
		{"names and tokens in any case", lines("GET / HTTP/1.1", "HOST: x", "upgrade: WebSocket", "CONNECTION: keep-alive, upgrade", "sec-websocket-version: 13", strings.ToLower(key[:17])+key[17:]), 101},
		{"Upgrade to one of several", lines("GET / HTTP/1.1", good[0], "Upgrade: h2c, websocket", good[2], good[3], key), 101},
		{"Upgrade to one of several, the first", lines("GET / HTTP/1.1", good[0], "Upgrade: WebSocket, foo/1", good[2], good[3], key), 101},
		{"Upgrade in two lines", with("GET / HTTP/1.1", "Upgrade: foo"), 101},
		{"Connection in two lines", with("GET / HTTP/1.1", "Connection: keep-alive"), 101},
		{"Upgrade to others", lines("GET / HTTP/1.1", good[0], "Upgrade: websockets, foo", good[2], good[3], key), 404},
		{"HTTP/1.0", with("GET / HTTP/1.0"), 400},
		{"HTTP/2.0", with("GET / HTTP/2.0"), 400},
		{"POST", with("POST / HTTP/1.1"), 405},
		{"POST with a body", with("POST / HTTP/1.1", "Content-Length: 6") + canary, 405},
		{"GET with a body", with("GET / HTTP/1.1", "Content-Length: 6") + canary, 400},
		{"GET with a chunked body", with("GET / HTTP/1.1", "Transfer-Encoding: chunked") + "6\r\n" + canary + "\r\n0\r\n\r\n", 400},
		{"two Hosts", with("GET / HTTP/1.1", "Host: "+canary), 400},
		{"no Host", without(0), 400},
		{"no Connection", without(2), 400},
		{"no version", without(3), 400},
		{"version 8", strings.Replace(with("GET / HTTP/1.1"), ": 13", ": 8", 1), 426},
		{"two versions", with("GET / HTTP/1.1", "Sec-WebSocket-Version: 8"), 426},
		{"no key", without(4), 400},
		{"two keys", with("GET / HTTP/1.1", key), 400},
		{"short key", lines("GET / HTTP/1.1", good[0], good[1], good[2], good[3], "Sec-WebSocket-Key: "+canary), 400},
		{"key not in base64", lines("GET / HTTP/1.1", good[0], good[1], good[2], good[3], "Sec-WebSocket-Key: "+canary+"!!!!!!!!!!!!!!!!=="), 400},
		{"h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
		{"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + canary, 400},
		{"binary", "\x00\x01\x02\x03", 400},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 400},
		{"request line of one word", with("GET"), 400},
		{"request line of four", with("GET / " + canary + " HTTP/1.1"), 400},
		{"HTTP/0.9", "GET /\r\n\r\n", 400},
		{"bare LF", strings.ReplaceAll(with("GET / HTTP/1.1"), "\r\n", "\n"), 400},
		{"one bare LF", with("GET / HTTP/1.1", "X: a\nY: b"), 400},
		{"bare CR", with("GET / HTTP/1.1", "X: a\rY: b"), 400},
		{"NUL", with("GET / HTTP/1.1", "X: a\x00b"), 400},
		{"folded line", with("GET / HTTP/1.1", "X: a", " "+canary), 400},
		{"space before the colon", with("GET / HTTP/1.1", "X : "+canary), 400},
		{"line without a colon", with("GET / HTTP/1.1", canary), 400},
		{"CR LF in the path", with("GET /\r\nX-" + canary + ": 1 HTTP/1.1"), 400},
		{"escaped CR LF in the path", with("GET /%0d%0aX-" + canary + ":1 HTTP/1.1"), 101},
		{"no upgrade", lines("GET /"+canary+" HTTP/1.1", "Host: x"), 404},
		{"no upgrade, two Hosts", lines("GET / HTTP/1.1", "Host: x", "Host: "+canary), 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := ask(t, addr, tt.raw)
			if tt.status == 0 && r.StatusCode >= 400 {
				return // any clean refusal
			}
			if r.StatusCode != tt.status {
				t.Errorf("%s, want %d", r.Status, tt.status)
			}
			if v := r.Header.Get("Sec-Websocket-Version"); tt.status == 426 && v != "13" {
				t.Errorf("426 says version %q", v)
			}
			if strings.Contains(fmt.Sprint(r.Header), canary) {
				t.Errorf("echoed: %v", r.Header)
			}
		})
	}
}

func TestThreatOrigin(t *testing.T) {
	_, same := start(t, netpoll.Config{}, echo())
	listed := map[string]bool{"https://chat.example": true, "null": true}
	_, list := start(t, netpoll.Config{CheckOrigin: func(r *netpoll.Request) bool { return listed[r.Origin()] }}, echo())
	for _, tt := range []struct {
		addr    string
		origins []string
		ok      bool
	}{
		{same, nil, true}, // no browser
		{same, []string{"http://localhost"}, true},
		{same, []string{"https://localhost"}, true},
		{same, []string{"null"}, false},
		{same, []string{""}, false},
		{same, []string{"http://evil.example"}, false},
		{same, []string{"http://localhost.evil.example"}, false},
		{same, []string{"http://evil-localhost"}, false},
		{same, []string{"http://xlocalhost"}, false},
		{same, []string{"http://localhost:80"}, true},
		{same, []string{"http://localhost:9501"}, false},
		{same, []string{"http://localhost/"}, false},
		{same, []string{"http://localhost@evil.example"}, false},
		{same, []string{"http://evil.example#localhost"}, false},
		{same, []string{"http://LOCALHOST"}, true},
		{same, []string{"HTTP://localhost"}, true},
		{same, []string{"file://"}, false},
		{same, []string{"file://localhost"}, false},
		{same, []string{"localhost"}, false},
		{same, []string{"http://localhost", "http://evil.example"}, false},
		{same, []string{"http://evil.example", "http://localhost"}, false},
		{list, []string{"https://chat.example"}, true},
		{list, []string{"null"}, true},
		{list, []string{"NULL"}, false},
		{list, []string{"http://chat.example"}, false},
		{list, []string{"https://chat.example.evil.example"}, false},
		{list, []string{"https://Chat.Example"}, false},
		{list, []string{"http://localhost"}, false},
	} {
		var headers []string
		for _, o := range tt.origins {
			headers = append(headers, "Origin: "+o)
		}
		c := wstest.Dial(t, tt.addr)
		want := http.StatusForbidden
		if tt.ok {
			want = http.StatusSwitchingProtocols
		}
		if r := c.Handshake(headers...); r.StatusCode != want {
			t.Errorf("origins %q: %s, want %d", tt.origins, r.Status, want)
		} else if !tt.ok {
			c.ExpectEOF()
		}
		c.Conn.Close()
	}
}

// Subprotocols come from our list only, headers of a handler in one piece.
func TestThreatHeaderInjection(t *testing.T) {
	bad := []string{"a\r\nX-" + canary + ": 1", "a\nb", "a\rb", "a\x00b", "a\x7fb"}
	h := &netpoll.Funcs{OnHandshake: func(r *netpoll.Request) {
		for _, v := range bad {
			if r.AddHeader("X-Value", v) == nil || r.AddHeader(v, "x") == nil {
				r.Refuse(599, "a header was let through")
			}
		}
		if err := r.AddHeader("X-Good", "fine, thanks"); err != nil {
			r.Refuse(598, err.Error())
		}
	}}
	_, addr := start(t, netpoll.Config{Subprotocols: []string{"chat", "superchat"}}, h)
	for _, tt := range []struct{ asked, want string }{
		{"Sec-WebSocket-Protocol: " + canary, ""},
		{"Sec-WebSocket-Protocol: " + canary + ", chat", "chat"},
		{"Sec-WebSocket-Protocol: superchat, chat", "superchat"},
		{"Sec-WebSocket-Protocol: CHAT", ""},
		{"Sec-WebSocket-Protocol: chat2", ""},
		{"X-None: 1", ""},
	} {
		c := wstest.Dial(t, addr)
		r := c.Handshake(tt.asked)
		got, good := r.Header["Sec-Websocket-Protocol"], r.Header.Get("X-Good")
		if r.StatusCode != 101 || strings.Join(got, "|") != tt.want || tt.want == "" && got != nil || good != "fine, thanks" {
			t.Errorf("%s: %s, %q, %q", tt.asked, r.Status, got, good)
		}
		if strings.Contains(fmt.Sprint(r.Header), canary) {
			t.Errorf("echoed: %v", r.Header)
		}
		c.Conn.Close()
	}
}

// Clients over the limit that say nothing must not keep the few places of
// those who are told so from others, however long a handshake may take.
func TestThreatSilentRefused(t *testing.T) {
	s, addr := start(t, netpoll.Config{MaxConns: 1, HandshakeTimeout: time.Hour}, echo())
	first := wstest.Connect(t, addr)
	for range 24 {
		wstest.Dial(t, addr)
	}
	wstest.Eventually(t, "all are there", func() bool { return s.Stats().Accepted == 25 })
	wstest.Eventually(t, "another is told that the server is full", func() bool {
		c := wstest.Dial(t, addr)
		defer c.Conn.Close()
		c.ResetDeadline()
		c.Conn.Write(wstest.Upgrade())
		r, err := http.ReadResponse(c.Reader, nil)
		return err == nil && r.StatusCode == http.StatusServiceUnavailable
	})
	first.Leave()
}
