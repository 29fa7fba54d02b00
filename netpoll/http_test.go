package netpoll_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s tls=%v", r.Method, r.URL.Path, body, r.TLS != nil)
})

const getHello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Requests on one connection, then an upgrade with frames right behind it:
// the connection comes back to the loop, and nothing is lost.
func TestUpgradeAfterKeepAlive(t *testing.T) {
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			w := newWitness()
			s, addr := start(t, netpoll.Config{HTTP: hello}, w)
			if secured {
				addr = secure(t, s)
			}
			p := wstest.DialTLS(t, addr, secured)
			for i := range 3 {
				p.TrySend([]byte(getHello))
				if got := body(t, p.Response()); got != fmt.Sprintf("GET /hello  tls=%v", secured) {
					t.Errorf("answer %d: %s", i, got)
				}
			}
			if st := s.Stats(); st.HTTP != 1 || st.Open != 0 {
				t.Errorf("%d with net/http, %d open", st.HTTP, st.Open)
			}
			b := wstest.Upgrade()
			for i := range 80 {
				b = append(b, wstest.Frame(text, fmt.Sprint(i, strings.Repeat("x", 100)))...)
			}
			p.TrySend(b)
			if r := p.Response(); r.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(r.Status)
			}
			for i := range 80 {
				p.Expect(text, fmt.Sprint(i, strings.Repeat("x", 100)))
			}
			c := receive(t, "open", w.opened)
			if info, ok := c.Info(); !ok || info.TLS != secured || info.Remote.String() != p.Conn.LocalAddr().String() || s.Stats().HTTP != 0 {
				t.Errorf("info %+v, %v; %d with net/http", info, ok, s.Stats().HTTP)
			}
			p.TrySend(wstest.Frame(closeOp, ""))
			if got := p.Rest(false); got != "close, eof" {
				t.Errorf("at the end: %s", got)
			}
			p.Conn.Close()
			w.expect(t, netpoll.ClientClosed, 1005)
		})
	}
}

// net/http's own client, kept alive, with bodies both ways.
func TestHTTPClient(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<16)
	s, addr := start(t, netpoll.Config{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, _ := io.Copy(io.Discard, r.Body); r.Method == http.MethodPost && n != int64(len(big)) {
			w.WriteHeader(http.StatusTeapot)
		}
		io.WriteString(w, big)
	})}, nil)
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: wstest.Patience}
	for _, url := range []string{"http://" + addr, "https://" + secure(t, s)} {
		for range 3 {
			for _, do := range []func() (*http.Response, error){
				func() (*http.Response, error) { return client.Get(url) },
				func() (*http.Response, error) { return client.Post(url, "text/plain", strings.NewReader(big)) },
			} {
				r, err := do()
				if err != nil {
					t.Fatal(err)
				}
				if got := body(t, r); got != big || r.StatusCode != http.StatusOK {
					t.Errorf("%s: %s, %d bytes", url, r.Status, len(got))
				}
				r.Body.Close()
			}
		}
	}
	if n := s.Stats().Accepted; n != 2 {
		t.Errorf("%d connections for requests that are kept alive on 2", n)
	}
}

// Over MaxConns: 503 with Retry-After; one that leaves makes room, whether or
// not those that were refused have gone.
func TestMaxConnsRefusedDoNotCount(t *testing.T) {
	w := newWitness()
	s, addr := start(t, netpoll.Config{MaxConns: 1}, w)
	first := wstest.Connect(t, addr)
	refused := wstest.Dial(t, addr)
	if r := refused.Handshake(); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("over the limit: %s, %v", r.Status, r.Header)
	}
	first.Leave()
	w.expect(t, netpoll.ClientClosed, 1000)
	wstest.Connect(t, addr).Leave()
	refused.Conn.Close()
	if n := s.Stats().Refused["server full"]; n != 1 {
		t.Errorf("refused: %v", s.Stats().Refused)
	}
}

func TestMaxHTTP(t *testing.T) {
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	s, addr := start(t, netpoll.Config{MaxHTTP: 1, HTTP: endless}, echo())
	first, second := wstest.Dial(t, addr), wstest.Dial(t, addr)
	first.SendBytes([]byte(getHello))
	if _, err := http.ReadResponse(first.Reader, nil); err != nil { // its body is endless
		t.Fatal(err)
	}
	second.SendBytes([]byte(getHello))
	if r := second.Response(); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("over the limit: %s", r.Status)
	}
	wstest.Connect(t, addr).Leave() // others are not concerned
	first.Conn.Close()
	wstest.Eventually(t, "the first leaves", func() bool { return s.Stats().HTTP == 0 })
	third := wstest.Dial(t, addr)
	third.SendBytes([]byte(getHello))
	if r, err := http.ReadResponse(third.Reader, nil); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("once there is room: %v, %v", r, err)
	}
	third.Conn.Close()
}

// TestIdleHTTPGivesItsPlace: the connection that has been idle longest between two
// requests is closed when another one needs its place; a busy one never is.
func TestIdleHTTPGivesItsPlace(t *testing.T) {
	_, addr := start(t, netpoll.Config{MaxHTTP: 3, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello")
		if r.URL.Path == "/busy" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	})}, echo())
	ask := func(c *wstest.Client, path string) int {
		c.SendBytes([]byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		r, err := http.ReadResponse(c.Reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if path != "/busy" {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Fatal(err)
			}
		}
		return r.StatusCode
	}
	busy, first, second := wstest.Dial(t, addr), wstest.Dial(t, addr), wstest.Dial(t, addr)
	ask(busy, "/busy")
	ask(first, "/")
	ask(second, "/")
	for range 20 { // each takes the place of the one before it
		wstest.Eventually(t, "a newcomer gets the place of an idle connection", func() bool { // see below
			return ask(wstest.Dial(t, addr), "/") == http.StatusOK
		})
	}
	first.ExpectEOF()
	second.ExpectEOF()
	for range 2 { // the server notes a little after its answer that a connection is idle
		wstest.Eventually(t, "an idle connection gives its place", func() bool {
			return ask(wstest.Dial(t, addr), "/busy") == http.StatusOK
		})
	}
	if status := ask(wstest.Dial(t, addr), "/"); status != http.StatusServiceUnavailable {
		t.Errorf("with three busy connections a fourth gets %d", status)
	}
	busy.Conn.Close()
}

// TestHealthAnswersWhenFull: /health is answered when no place and no connection is
// left, and counts as nothing.
func TestHealthAnswersWhenFull(t *testing.T) {
	healthy := true
	health := func(path string) (int, string) {
		if path == "/ready" {
			return http.StatusServiceUnavailable, `{"ready":false}`
		}
		if path != "/health" {
			return 0, ""
		}
		if healthy {
			return http.StatusOK, "ok"
		}
		panic("on purpose")
	}
	_, addr := start(t, netpoll.Config{MaxConns: 2, MaxHTTP: 1, Health: health}, echo())
	wstest.Connect(t, addr)
	wstest.Connect(t, addr)
	ask := func(line string) (int, string) {
		c := wstest.Dial(t, addr)
		c.SendBytes([]byte(line + " HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		r, err := http.ReadResponse(c.Reader, &http.Request{Method: strings.Fields(line)[0]})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		c.ExpectEOF()
		if isJSON := r.Header.Get("Content-Type") == "application/json"; isJSON != (len(b) > 0 && b[0] == '{') {
			t.Errorf("%s: %q is sent as %s", line, b, r.Header.Get("Content-Type"))
		}
		return r.StatusCode, string(b)
	}
	for _, tt := range []struct {
		line   string
		status int
		body   string
	}{
		{"GET /health", 200, "ok\n"}, {"GET /health/", 200, "ok\n"}, {"GET /health?x", 200, "ok\n"}, {"HEAD /health", 200, ""}, {"GET /ready", 503, "{\"ready\":false}\n"},
		{"POST /health", 503, "server is at its limit: server full\n"}, {"GET /", 503, "server is at its limit: server full\n"}, {"GET /healthy", 503, "server is at its limit: server full\n"},
	} {
		if status, body := ask(tt.line); status != tt.status || body != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.line, status, body, tt.status, tt.body)
		}
	}
}

// TestEmptyLinesBeforeARequest: a few are passed over, however they come.
func TestEmptyLinesBeforeARequest(t *testing.T) {
	_, addr := start(t, netpoll.Config{HTTP: hello}, echo())
	for lines, want := range map[int]int{1: 200, 2: 200, 4: 200, 5: 400, 100: 400} {
		for _, chop := range []int{1 << 20, 1, 3} {
			c := wstest.Dial(t, addr)
			for b := strings.Repeat("\r\n", lines) + getHello; b != ""; b = b[min(chop, len(b)):] {
				if _, err := c.Conn.Write([]byte(b[:min(chop, len(b))])); err != nil {
					break // it is refused already
				}
			}
			if r := c.Response(); r.StatusCode != want {
				t.Errorf("%d empty lines in pieces of %d: %s, want %d", lines, chop, r.Status, want)
			}
			c.Conn.Close()
		}
	}
	c := wstest.Dial(t, addr)
	c.SendBytes(append([]byte("\r\n"), wstest.Upgrade()...))
	if r := c.Response(); r.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("an upgrade behind an empty line: %s", r.Status)
	}
	c.Leave()
}

// TestPROXYHeaderIsNamed: a proxy that is set to speak the PROXY protocol is told, and
// so is whoever reads the log.
func TestPROXYHeaderIsNamed(t *testing.T) {
	var log wstest.Log
	_, addr := start(t, netpoll.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, echo())
	for _, head := range []string{
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + string(wstest.Upgrade()), "PROXY TCP6 ::1 ::2 1 2\r\n", "PROXY UNKNOWN\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x00\x01\x00\x02",
	} {
		c := wstest.Dial(t, addr)
		c.SendBytes([]byte(head))
		r := c.Response()
		b, _ := io.ReadAll(r.Body)
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(string(b), "PROXY protocol") {
			t.Errorf("%.20q: %s %q", head, r.Status, b)
		}
		c.Conn.Close()
	}
	wstest.Eventually(t, "the log has a line", func() bool { return log.String() != "" })
	if text := log.String(); strings.Count(text, "PROXY protocol") != 2 || strings.Count(text, "\n") != 1 { // the reason and the hint
		t.Errorf("the log has %q", text)
	}
}

// healthOf knows one path.
func healthOf(path string) (int, string) {
	if path != "/health" {
		return 0, ""
	}
	return http.StatusOK, "ok"
}

// TestTwoHosts: who answers makes no difference (RFC 9112, section 3.2).
func TestTwoHosts(t *testing.T) {
	_, addr := start(t, netpoll.Config{HTTP: hello, Health: healthOf}, echo())
	for _, head := range []string{"GET /hello HTTP/1.1\r\n", "GET /health HTTP/1.1\r\n", "HEAD /health/ HTTP/1.1\r\n",
		"GET /a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"} {
		c := wstest.Dial(t, addr)
		c.SendBytes([]byte(head + "Host: a\r\nhost: b\r\n\r\n"))
		if r := c.Response(); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %s", head, r.Status)
		}
	}
}

// TestChunkedBesideALength: the connection ends with the answer (RFC 9112, section 6.1).
func TestChunkedBesideALength(t *testing.T) {
	_, addr := start(t, netpoll.Config{HTTP: hello}, echo())
	c := wstest.Dial(t, addr)
	c.SendBytes([]byte("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + getHello))
	c.Response()
	c.ExpectEOF()
}

// The hook refuses, adds headers, chooses the subprotocol, sets data.
func TestHandshakeHook(t *testing.T) {
	type info struct{ data, path, sub string }
	opened := make(chan info, 1)
	_, addr := start(t, netpoll.Config{Subprotocols: []string{"b", "a"}}, &netpoll.Funcs{
		OnHandshake: func(r *netpoll.Request) {
			switch r.Header("X-Do") {
			case "refuse":
				r.Refuse(http.StatusPaymentRequired, "pay first")
			case "choose":
				r.SetSubprotocol("c")
			case "refuse and say more":
				_ = r.AddHeader("Retry-After", "7")
				r.Refuse(http.StatusTooManyRequests, "later")
				_ = r.AddHeader("X-Why", "because")
			case "refuse with 200":
				r.Refuse(http.StatusOK, "fine")
			case "panic":
				_ = r.AddHeader("Retry-After", "7")
				panic("in Handshake")
			}
			if r.AddHeader("X-Bad", "a\r\nSet-Cookie: b") == nil || r.AddHeader("X Bad", "") == nil {
				panic("a header breaks the answer apart")
			}
			if r.AddHeader("content-length", "0") == nil || r.AddHeader("Transfer-Encoding", "chunked") == nil || r.AddHeader("Connection", "close") == nil {
				panic("a header says how long the answer is")
			}
			_ = r.AddHeader("X-Good", "yes")
			r.SetData("from " + r.Header("x-user"))
		},
		OnOpen: func(c netpoll.Conn, r *netpoll.Request) {
			path, _ := r.Path()
			opened <- info{fmt.Sprint(c.Data()), path, r.Subprotocol()}
		},
	})
	c := wstest.Dial(t, addr)
	if r := c.Handshake("X-Do: refuse"); r.StatusCode != http.StatusPaymentRequired || !strings.Contains(body(t, r), "pay first") {
		t.Errorf("refused: %s", r.Status)
	}
	c.Conn.Close()
	c = wstest.Dial(t, addr)
	if r := c.Handshake("X-Do: refuse and say more"); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") != "7" || r.Header.Get("X-Why") != "because" {
		t.Errorf("refused with headers: %s, %v", r.Status, r.Header)
	}
	c.Conn.Close()
	c = wstest.Dial(t, addr)
	if r := c.Handshake("X-Do: refuse with 200"); r.StatusCode != http.StatusInternalServerError {
		t.Errorf("refused with 200: %s", r.Status)
	}
	c.Conn.Close()
	c = wstest.Dial(t, addr)
	if r := c.Handshake("X-Do: panic"); r.StatusCode != http.StatusInternalServerError || r.Header.Get("Retry-After") != "" {
		t.Errorf("panic: %s, %v", r.Status, r.Header)
	}
	c.Conn.Close()
	for do, want := range map[string]string{"choose": "c", "nothing": "a"} {
		c := wstest.Dial(t, addr)
		r := c.Handshake("X-Do: "+do, "X-User: ann", "Sec-WebSocket-Protocol: z, a, b, c")
		if r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("X-Good") != "yes" || r.Header.Get("Sec-WebSocket-Protocol") != want {
			t.Errorf("%s: %s, %v", do, r.Status, r.Header)
		}
		if got := receive(t, "open", opened); got != (info{"from ann", "/", want}) {
			t.Errorf("%s: %v", do, got)
		}
		c.Leave()
	}
}

// Several listeners, each with its own handler; one is a Unix socket.
func TestListeners(t *testing.T) {
	says := func(word string) netpoll.Handler {
		return &netpoll.Funcs{OnOpen: func(c netpoll.Conn, r *netpoll.Request) {
			info, _ := c.Info()
			_ = c.Push(ws.OpText, fmt.Appendf(nil, "%s %d %v", word, info.Listener, r.Remote().IsValid()))
		}}
	}
	s, first := start(t, netpoll.Config{}, says("first"))
	second, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0", Handler: says("second"), HTTP: hello})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	if _, err := s.Listen(netpoll.Listener{Network: "unix", Addr: path, Handler: says("third"), HTTP: hello}); err != nil {
		t.Fatal(err)
	}
	for addr, word := range map[string]string{first: "first 0 true", second.String(): "second 1 true"} {
		c := wstest.Connect(t, addr)
		c.Expect(text, word)
		c.Leave()
	}
	for _, request := range []string{getHello, string(wstest.Upgrade())} {
		u, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		u.SetDeadline(time.Now().Add(wstest.Patience))
		io.WriteString(u, request)
		var got bytes.Buffer
		want := map[bool]string{true: "GET /hello", false: "third 2 false"}[request == getHello]
		for b := make([]byte, 1000); !strings.Contains(got.String(), want); {
			n, err := u.Read(b)
			if got.Write(b[:n]); err != nil {
				t.Fatalf("%q, %v", got.String(), err)
			}
		}
		u.Close()
	}
	if _, err := s.Listen(netpoll.Listener{Addr: second.String()}); err == nil {
		t.Error("an address is bound twice")
	}
}
