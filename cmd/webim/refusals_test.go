package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/netpoll/wstest"
	"webim/room/token"
)

// logged is a program that writes its log in JSON, and what a test needs to be refused by it.
type logged struct {
	*program
	t   *testing.T
	log *wstest.Log
}

// startLogged starts a program with a file of settings and a log.
func startLogged(t *testing.T, file string, flags ...string) *logged {
	t.Helper()
	command, given := parseFlags(t, append(flags, "--log-format", "json", "--shutdown-spread", "0s")...)
	c, err := config.Load(&command.Settings, given, nil, file)
	if err != nil {
		t.Fatal(err)
	}
	l := &logged{t: t, log: new(wstest.Log)}
	l.program = newProgram(c, l.log)
	if err := l.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.stop)
	return l
}

// line waits for a line of the log, and returns it.
func (l *logged) line(msg string) (found map[string]any) {
	l.t.Helper()
	wstest.Eventually(l.t, "the log has the line "+msg, func() bool {
		records := l.log.Records(msg)
		if len(records) > 0 {
			found = records[len(records)-1]
		}
		return found != nil
	})
	return found
}

// shake sends a handshake and returns its status.
func (l *logged) shake(path string, headers ...string) int {
	l.t.Helper()
	r, err := wstest.Dial(l.t, l.plain[0].String()).TryHandshake(path, headers...)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.StatusCode
}

// chat opens a connection of the Centrifuge protocol and sends lines of it.
func (l *logged) chat(lines ...string) *client {
	c := connect(l.t, l.plain[0].String(), "/connection/websocket")
	for _, line := range lines {
		c.say(line)
	}
	return c
}

// token returns a token of a user that expires after a while.
func (l *logged) token(user string, lives time.Duration) string {
	l.t.Helper()
	signer, err := token.NewSigner(token.Key{Secret: []byte(longSecret)})
	if err != nil {
		l.t.Fatal(err)
	}
	text, err := signer.Sign(token.Claims{User: user, Expires: time.Now().Add(lives).Unix()})
	if err != nil {
		l.t.Fatal(err)
	}
	return text
}

// post sends a request to the API with a key.
func (l *logged) post(path, key, body string) {
	if status, answer := ask(l.t, l.inner.addr, "POST", path, key, body); status == 0 {
		l.t.Error(answer)
	}
}

// refusals are the ways in which a client, a backend or an operator is refused, with the line that each leaves, and
// the attributes that the line must have.
var refusals = []struct {
	msg   string
	attrs string
	do    func(l *logged)
}{
	// Handshakes.
	{"netpoll: a connection is refused: origin", "from hint detail", func(l *logged) { l.shake("/r", "Origin: https://evil.example") }},
	{"netpoll: a connection is refused: head too large", "from hint", func(l *logged) { l.shake("/r", "X: "+strings.Repeat("x", 20<<10)) }},
	{"netpoll: a connection is refused: malformed request", "from hint", func(l *logged) { l.raw("GET / HTTP/1.1\r\nno header\r\n\r\n") }},
	{"netpoll: a connection is refused: not http", "from hint", func(l *logged) { l.raw("\x16\x03\x01 hello\r\n\r\n") }},
	{"netpoll: a connection is refused: PROXY protocol", "from hint", func(l *logged) { l.raw("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n\r\n") }},
	{"netpoll: a connection is refused: websocket key", "from hint", func(l *logged) { l.shakeRaw("Sec-WebSocket-Key: short") }},
	{"netpoll: a connection is refused: websocket version", "from hint", func(l *logged) { l.shakeRaw("Sec-WebSocket-Version: 12") }},
	{"netpoll: a connection is refused: method", "from hint", func(l *logged) {
		l.raw("POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	}},
	{"netpoll: a connection is refused: handshake timeout", "from hint", func(l *logged) { wstest.Dial(l.t, l.plain[0].String()) }},
	{"netpoll: a connection is refused: tls handshake failed", "from hint detail", func(l *logged) {
		c, err := tls.Dial("tcp", l.secure[0].String(), &tls.Config{MinVersion: tls.VersionTLS12})
		if err == nil { // the certificate is its own issuer
			c.Close()
			l.t.Error("the client trusts the certificate")
		}
	}},
	{"a client is refused because of its path", "reason status path addr", func(l *logged) { l.shake("/api") }},
	{"a client is refused: its request does not ask for a WebSocket", "status addr see", func(l *logged) { ask(l.t, l.plain[0], "GET", "/connection/websocket", "", "") }},
	// The plain dialect.
	{"a plain client without a token is refused", "see room addr", func(l *logged) { l.shake("/r") }},
	{"a plain client is refused: this room is not open to you", "status see room addr user", func(l *logged) { l.shake("/closed?token=" + l.token("ann", time.Hour)) }},
	{"a connection token is refused", "reason see room addr", func(l *logged) { l.shake("/r?token=nonsense") }},
	{"a connection token has expired", "reason see room addr", func(l *logged) { l.shake("/r?token=" + l.token("ann", -time.Hour)) }},
	{"a plain client's message is lost", "reason see room client user addr", func(l *logged) { l.room("bob").say("x\x00y") }},
	{"a plain client is closed: the token has expired", "client user addr code see", func(l *logged) {
		connect(l.t, l.plain[0].String(), "/r?token="+l.token("ann", 5*time.Second)).ExpectClose(1008)
	}},
	// Closes by a rule.
	{"a connection is closed by a rule: protocol error", "client user addr room code reason see", func(l *logged) { l.room("eve").SendBytes([]byte{0x83, 0x80, 0, 0, 0, 0}) }},
	{"a connection is closed by a rule: bad text", "client user addr room code reason see", func(l *logged) { l.room("eve").say("\xff") }},
	{"a connection is closed by a rule: too big", "client user addr room code reason see", func(l *logged) { l.room("eve").SendBytes(wstest.FrameHead(0x81, 4<<20)) }},
	{"a connection is closed by a rule: control flood", "client user addr room code reason see", func(l *logged) {
		l.room("eve").SendBytes([]byte(strings.Repeat(string(wstest.Frame(0x89, "")), 2000)))
	}},
	// The Centrifuge dialect.
	{"a client without a token is refused", "see client user addr", func(l *logged) { l.chat(`{"id":1,"connect":{}}`) }},
	{"a subscription token is refused", "reason see client user addr room", func(l *logged) {
		l.user("ann").say(`{"id":9,"subscribe":{"channel":"closed","token":"nonsense"}}`)
	}},
	{"a command is refused: permission denied", "code see client user addr room", func(l *logged) { l.user("ann").say(`{"id":9,"subscribe":{"channel":"closed"}}`) }},
	{"a command is refused: bad request", "code see client user addr", func(l *logged) { l.user("ann").say(`{"id":9,"subscribe":{"channel":""}}`) }},
	{"a command is refused: already subscribed", "code see client user addr room", func(l *logged) {
		l.user("ann").say(`{"id":8,"subscribe":{"channel":"r"}}` + "\n" + `{"id":9,"subscribe":{"channel":"r"}}`)
	}},
	{"a connection is refused: bad request", "code see client user addr", func(l *logged) { l.chat("nonsense") }},
	{"a connection is refused: connection limit", "code see client user addr", func(l *logged) {
		for range 3 {
			l.user("many")
		}
	}},
	{"a connection is refused: too many errors", "code see client user addr", func(l *logged) {
		c := l.user("flooder")
		for range 300 {
			if c.TrySend(wstest.Frame(0x81, `{"id":9,"publish":{"channel":"r","data":{"text":"x"}}}`)) != nil {
				return
			}
		}
	}},
	// Operators and backends.
	{"api: refused a request without a valid key or token", "status reason see addr", func(l *logged) { l.post("/api/info", "a wrong key of many bytes", "{}") }},
	{"api: refused a request with a valid key or token that has no right to call the method", "status method by see addr", func(l *logged) { l.post("/api/info", "fedcba9876543210", "{}") }},
	{"api: refused a request that is no call", "status reason by addr", func(l *logged) { l.post("/api/nonsense", "0123456789abcdef", "{}") }},
	{"api: refused a call that is not valid", "method by reason", func(l *logged) { l.post("/api/publish", "0123456789abcdef", `{"channel":""}`) }},
	{"api: refused a request for another server", "status host see addr", func(l *logged) { l.host("/api/info") }},
	{"live: refused a request for another server", "status host see addr", func(l *logged) { l.host("/live/") }},
	{"a request for figures, profiles or records is refused", "path status see addr", func(l *logged) { ask(l.t, l.inner.addr, "GET", "/metrics", "", "") }},
	{"live: refused a watcher: the key is wrong", "addr code", func(l *logged) { l.feed(`{"key":"a wrong key"}`) }},
	{"live: refused a watcher: authenticate first, once, and then send find requests", "addr code", func(l *logged) { l.feed(`nonsense`) }},
	{"live: refused a handshake", "reason status addr", func(l *logged) { dialFeed(l.t, l.inner.addr, "/live/nonsense", "") }},
	// Hooks.
	{"the hook publish refuses a client", "hook reason room user", func(l *logged) {
		l.user("ann").say(`{"id":8,"subscribe":{"channel":"asked"}}` + "\n" + `{"id":9,"publish":{"channel":"asked","data":{}}}`)
	}},
	{"the hook rpc got no valid reply", "hook err see", func(l *logged) { l.user("ann").say(`{"id":9,"rpc":{"method":"x","data":{}}}`) }},
}

// raw sends bytes instead of a handshake.
func (l *logged) raw(text string) {
	l.t.Helper()
	c := wstest.Dial(l.t, l.plain[0].String())
	c.SendBytes([]byte(text))
	_, _ = c.TryResponse()
}

// shakeRaw sends a handshake in which a line takes the place of that with the same name.
func (l *logged) shakeRaw(line string) {
	name, _, _ := strings.Cut(line, ":")
	var lines []string
	for one := range strings.SplitSeq(string(wstest.Upgrade()), "\r\n") {
		if strings.HasPrefix(one, name+":") {
			one = line
		}
		lines = append(lines, one)
	}
	l.raw(strings.Join(lines, "\r\n"))
}

// room joins the room r in the plain dialect.
func (l *logged) room(user string) *client {
	return connect(l.t, l.plain[0].String(), "/r?token="+l.token(user, time.Hour))
}

// user connects a user in the Centrifuge dialect.
func (l *logged) user(user string) *client {
	return l.chat(`{"id":1,"connect":{"token":"` + l.token(user, time.Hour) + `"}}`)
}

// host asks for a path of the internal address under a name that is not configured.
func (l *logged) host(path string) {
	r, err := http.NewRequest("GET", "http://"+l.inner.addr.String()+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Host = "evil.example"
	if resp, err := http.DefaultTransport.RoundTrip(r); err == nil {
		resp.Body.Close()
	}
}

// feed opens the feed of the live picture and sends a message.
func (l *logged) feed(message string) {
	l.t.Helper()
	c, status := dialFeed(l.t, l.inner.addr, "/live/feed", "")
	if c == nil {
		l.t.Fatalf("the feed: %d", status)
	}
	c.say(message)
}

// TestEachRefusalIsLogged causes each refusal over real sockets, and checks that it leaves its line with all
// attributes, and that no line has a token or a key.
func TestEachRefusalIsLogged(t *testing.T) {
	t.Parallel() // two of them are timeouts
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "rpc") {
			fmt.Fprint(w, "nonsense")
			return
		}
		fmt.Fprint(w, `{"error":{"code":1000,"message":"no"}}`)
	}))
	defer hook.Close()
	cert, key := filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
	writeCertificate(t, cert, key)
	file := write(t, "webim.yaml", `
rooms:
  - match: closed
    allow: {join: nobody, read: nobody}
  - match: "*"
    allow: {join: user, read: user, send: user, history: user}
`)
	l := startLogged(t, file, "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--internal", "127.0.0.1:0",
		"--api-key", "0123456789abcdef", "--api-key-file", "ci="+write(t, "ci", "fedcba9876543210"), "--api-key-rights", "ci=publish",
		"--token-secret", longSecret, "--handshake-timeout", "4s", "--max-conns-per-user", "2", "--rate-send", "5/10s", "--hook-publish", hook.URL+"/publish", "--hook-rpc", hook.URL+"/rpc")
	for _, c := range refusals {
		t.Run(c.msg, func(t *testing.T) {
			l.t = t
			c.do(l)
			line := l.line(c.msg)
			for attr := range strings.FieldsSeq(c.attrs) {
				if _, ok := line[attr]; !ok {
					t.Errorf("the line has no %s: %v", attr, line)
				}
			}
			if _, ok := line["not_logged_before"]; !ok {
				t.Errorf("the number of lines is not limited: %v", line)
			}
		})
	}
	l.t = t
	for _, secret := range []string{"eyJ", longSecret, "0123456789abcdef", "a wrong key"} {
		if i := slices.IndexFunc(l.log.Lines(), func(line string) bool { return strings.Contains(line, secret) }); i >= 0 {
			t.Errorf("the log has a secret: %s", l.log.Lines()[i])
		}
	}
}
