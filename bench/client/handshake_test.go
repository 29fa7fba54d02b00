package client

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"webim/bench/ws"
)

func TestHandshakeAnswers(t *testing.T) {
	h := NewHandshake("host", Config{})
	good := "HTTP/1.1 101 X\r\nSec-WebSocket-Accept: " + ws.AcceptKey(h.key) + "\r\n\r\n"
	for i := range len(good) {
		if n, err := h.Check([]byte(good[:i])); n != 0 || err != nil {
			t.Fatalf("%d bytes: %d %v", i, n, err)
		}
	}
	if n, err := h.Check([]byte(good + "rest")); n != len(good) || err != nil {
		t.Fatal(n, err)
	}
	for in, want := range map[string]error{
		"HTTP/1.1 101 X\r\n\r\n": errAccept, "HTTP/1.1 503 X\r\n\r\n": Refusal{503},
		"SSH-2.0\r\n\r\n": errAnswer, "HTTP/1.1 1x1 X\r\n\r\n": errAnswer, strings.Repeat("x", maxAnswer+1): errAnswer,
	} {
		if _, err := h.Check([]byte(in)); !errors.Is(err, want) {
			t.Errorf("%.20q: %v, want %v", in, err, want)
		}
	}
}

// A request has one Host: that of the user, if there is one. The user in the URL goes into Authorization, and reports do
// not show the password.
func TestRequestHeaders(t *testing.T) {
	own := http.Header{"Host": {"chat.example"}, "X-A": {"b"}}
	cfg := Config{URL: "ws://user:p%40w@127.0.0.1:9/", Header: own}
	request := string(NewHandshake("127.0.0.1:9", cfg).Request("/"))
	if strings.Count(strings.ToLower(request), "\nhost:") != 1 || !strings.Contains(request, "\r\nHost: chat.example\r\n") {
		t.Errorf("%q", request)
	}
	if !strings.Contains(request, "\r\nAuthorization: Basic dXNlcjpwQHc=\r\n") { // user:p@w
		t.Errorf("%q", request)
	}
	if own.Get("Host") == "" {
		t.Error("the caller's headers were changed")
	}
	cfg.Header = http.Header{"Authorization": {"Bearer x"}}
	if request = string(NewHandshake("127.0.0.1:9", cfg).Request("/")); strings.Count(request, "Authorization:") != 1 || !strings.Contains(request, "Bearer x") {
		t.Errorf("%q", request)
	}
	if shown := cfg.ShownURL(); strings.Contains(shown, "p%40w") || !strings.Contains(shown, "user") {
		t.Error(shown)
	}
}

// The token is in the query in the plain dialect, and in the connect command in the Centrifuge dialect.
func TestToken(t *testing.T) {
	for _, c := range []struct {
		cfg        Config
		room, want string
	}{{Config{}, "/a", "/a"}, {Config{Token: "x+y"}, "/a", "/a?token=x%2By"}, {Config{Token: "x"}, "/a?b=c", "/a?b=c&token=x"}, {Config{Token: "x", Dialect: Centrifuge}, "/a", "/a"}} {
		if got := c.cfg.withToken(c.room); got != c.want {
			t.Errorf("%+v: %q, want %q", c.cfg, got, c.want)
		}
	}
	if got := string(JoinCommands("/a", "x", nil)); !strings.Contains(got, `"token":"x"`) || strings.Count(got, "\n") != 1 {
		t.Errorf("%q", got)
	}
}

// A server must not agree to terms that the client did not offer.
func TestTermsThatWereNotOffered(t *testing.T) {
	for name, c := range map[string]struct {
		terms string
		cfg   Config
		want  error
	}{
		"protocol":         {"Sec-WebSocket-Protocol: c\r\n", Config{Protocols: []string{"a"}}, errProtocol},
		"no protocol":      {"", Config{Protocols: []string{"a"}}, nil},
		"not offered":      {"Sec-WebSocket-Extensions: " + ws.DeflateOffer + "\r\n", Config{}, errExtension},
		"context takeover": {"Sec-WebSocket-Extensions: permessage-deflate\r\n", Config{Compress: true}, errExtension},
		"window":           {"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=9\r\n", Config{Compress: true}, errExtension},
		"other":            {"Sec-WebSocket-Extensions: x-other\r\n", Config{Compress: true}, errExtension},
		"good":             {"Sec-WebSocket-Extensions: Permessage-Deflate;server_no_context_takeover; server_max_window_bits=10\r\n", Config{Compress: true}, nil},
	} {
		if _, err := NewHandshake("host", c.cfg).agreed([]byte("HTTP/1.1 101 X\r\n" + c.terms + "\r\n")); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// The terms of the last answer are only used for an equal answer.
func TestTermsOfEachAnswer(t *testing.T) {
	h := NewHandshake("host", Config{Protocols: []string{"a", "b"}})
	for _, want := range []string{"a", "a", "b", "a", "", "c", "c", "b"} {
		head := "HTTP/1.1 101 X\r\n"
		if want != "" {
			head += "Sec-WebSocket-Protocol: " + want + "\r\n"
		}
		got, err := h.agreed([]byte(head + "\r\n"))
		if bad := want == "c"; (err != nil) != bad || !bad && got.Protocol != want {
			t.Errorf("%q: %q, %v", want, got.Protocol, err)
		}
	}
}
