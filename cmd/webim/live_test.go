package main

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
	"webim/room/live"
)

const picturesKey = "0123456789abcdef"

// dialFeed opens the feed at an address. For a refusal, it returns nil and the HTTP status.
func dialFeed(t *testing.T, addr net.Addr, path, host string) (*client, int) {
	t.Helper()
	conn, err := net.DialTimeout(addr.Network(), addr.String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{wstest.NewClient(t, conn), t}
	return c.open(path, "Host: "+cmp.Or(host, "localhost"))
}

// watch sends the key and waits for the greeting.
func watch(t *testing.T, addr net.Addr) *client {
	t.Helper()
	c, status := dialFeed(t, addr, live.FeedPath, "")
	if c == nil {
		t.Fatalf("the feed: %d", status)
	}
	c.say(`{"key":"` + picturesKey + `"}`)
	if got := c.text(); !strings.HasPrefix(got, `{"hello":{`) {
		t.Fatalf("greeted with %s", got)
	}
	return c
}

// TestWhereThePictureIs checks that the internal address serves the live picture if a key or a token
// could open it, and with --dev also the address for clients. No other address serves it.
func TestWhereThePictureIs(t *testing.T) {
	unix := "unix:" + filepath.Join(t.TempDir(), "in.sock")
	withKey, secret := " --api-key "+picturesKey, " --token-secret 0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		flags           string
		outside, inside bool
	}{
		{"--open --internal 127.0.0.1:0" + withKey, false, true},
		{"--open --internal " + unix + withKey, false, true},
		{"--open --internal 127.0.0.1:0" + secret, false, true},
		{"--open --api" + withKey, false, false},
		{"--dev --internal 127.0.0.1:0" + withKey, true, true},
		{"--dev" + withKey + " --api", true, false},
		{"--dev", true, false}, // a key was made
	} {
		t.Run(c.flags, func(t *testing.T) {
			p := startProgram(t, append(strings.Fields(c.flags), "--listen", "127.0.0.1:0", "--shutdown-spread", "0s")...)
			check := func(where string, addr net.Addr, there bool) {
				t.Helper()
				for path, status := range map[string]int{"/live": 200, "/live/": 200, "/live/live.js": 200, "/live/vendor/uPlot-1.6.32/LICENSE": 200, "/live/nothing": 404} {
					if !there {
						status = 404
					}
					if got, _ := ask(t, addr, "GET", path, "", ""); got != status {
						t.Errorf("%s: GET %s: %d, want %d", where, path, got, status)
					}
				}
				feed, status := dialFeed(t, addr, live.FeedPath, "")
				switch {
				case there && feed != nil:
					feed.say("hello")
					feed.ExpectClose(int(live.CodeBadRequest))
				case there, status != 404: // outside, too: the path is no room's
					t.Errorf("%s: the feed: %d", where, status)
				}
			}
			check("outside", p.plain[0], c.outside)
			if p.inner != nil {
				check("inside", p.inner.addr, c.inside)
				if _, status := dialFeed(t, p.inner.addr, "/lobby", ""); status != 404 {
					t.Errorf("a room inside: %d", status)
				}
			}
		})
	}
}

// The page asks for a key, so webim serves it under its own host names only.
func TestPictureKnowsItsNames(t *testing.T) {
	p := startProgram(t, "--open", "--listen", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--api-key", picturesKey, "--api-host", "inside.example.com", "--shutdown-spread", "0s")
	for host, want := range map[string]int{"localhost": 200, "127.0.0.1:9500": 200, "inside.example.com": 200, "INSIDE.example.com:80": 200,
		"evil.example": 421, "localhost.evil.example": 421, "inside.example.com.evil.example": 421} {
		r, err := http.NewRequest("GET", "http://"+p.inner.addr.String()+"/live/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		res, err := (&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: the page: %d, want %d", host, res.StatusCode, want)
		}
		if want == 200 {
			want = 101
		}
		if _, got := dialFeed(t, p.inner.addr, live.FeedPath, host); got != want {
			t.Errorf("%s: the feed: %d, want %d", host, got, want)
		}
	}
}

// When the clients' server is full, the internal one answers.
func TestInsideAnswersWhenFull(t *testing.T) {
	p := startProgram(t, "--open", "--listen", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--api-key", picturesKey, "--max-conns", "2", "--shutdown-spread", "0s")
	for range 2 {
		if c, status := dial(t, "tcp", p.plain[0].String(), "", nil); c == nil {
			t.Fatalf("status %d", status)
		}
	}
	if _, status := dial(t, "tcp", p.plain[0].String(), "", nil); status != 503 {
		t.Fatalf("the third client: %d", status)
	}
	if status, body := ask(t, p.inner.addr, "GET", "/health", "", ""); status != 200 || body != "ok\n" {
		t.Errorf("/health: %d %q", status, body)
	}
	if status, body := ask(t, p.inner.addr, "POST", "/api/info", picturesKey, "{}"); status != 200 {
		t.Errorf("/api/info: %d %q", status, body)
	}
	for range 3 { // its bound is its own
		watch(t, p.inner.addr)
	}
}

// At a shutdown, the watchers see the clients leave, and webim closes the watchers after that.
func TestWatchersLeaveLast(t *testing.T) {
	p := startProgram(t, "--open", "--listen", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--api-key", picturesKey, "--shutdown-spread", "0s")
	reader, _ := dial(t, "tcp", p.plain[0].String(), "", nil)
	reader.echo("hello")
	w := watch(t, p.inner.addr)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		p.stop()
	}()
	// The client does not answer the Close frame, so that there is time to look.
	if op, payload, err := reader.ReadMessage(); err != nil || op != ws.OpClose {
		t.Errorf("the client gets a frame with the opcode %x, %q, %v; want Close", op, payload, err)
	}
	if status, body := ask(t, p.inner.addr, "GET", "/health", "", ""); status != 503 {
		t.Errorf("/health while the clients leave: %d %q", status, body)
	}
	_ = reader.Conn.Close()
	if got := w.Rest(true); !strings.HasSuffix(got, "close 1001, eof") {
		t.Errorf("the watcher sees %s", got)
	}
	<-stopped
}

// With --dev, webim prints the address beside the key.
func TestPictureIsAnnounced(t *testing.T) {
	line := regexp.MustCompile(`webim: the live picture is at http://(\S+)/live/(?:, (.*))?\n`)
	for _, c := range []struct{ flags, behind string }{
		{"--internal 127.0.0.1:0", "with the same key"},
		{"--api", "with the same key"},
		{"", "its key is "},
		{"--internal 127.0.0.1:0 --api-key " + picturesKey, ""},
	} {
		p := startProgram(t, append(strings.Fields(c.flags), "--dev", "--listen", "127.0.0.1:0")...)
		var out strings.Builder
		p.greet(&out)
		said := line.FindStringSubmatch(out.String())
		want := p.plain[0].String()
		if p.inner != nil {
			want = p.inner.addr.String()
		}
		if said == nil || said[1] != want || !strings.HasPrefix(said[2], c.behind) || (c.behind == "") != (said[2] == "") {
			t.Errorf("%q: said %q", c.flags, out.String())
		}
		if c.behind == "its key is " && said != nil && strings.TrimPrefix(said[2], c.behind) != p.APIKeys[0].Secret {
			t.Errorf("%q: the key is another", c.flags)
		}
	}
}
