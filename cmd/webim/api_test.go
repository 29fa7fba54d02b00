package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ask sends a request to an address of a program, and returns the status and
// the body.
func ask(t *testing.T, addr net.Addr, method, path, key, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, addr.Network(), addr.String())
		}}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

const hello = `{"channel":"lobby","data":{"text":"from the backend"}}`

// TestServerAPI checks that the server API is served at the addresses that the settings name and at
// no other one, and that clients of the plain dialect receive its publications.
func TestServerAPI(t *testing.T) {
	const one, two = "0123456789abcdef", "fedcba9876543210"
	file := write(t, "key", two+"\n")
	unix := "unix:" + filepath.Join(t.TempDir(), "webim.sock")
	for _, c := range []struct {
		flags           string
		outside, inside int // status of a publish; 0: nobody listens
		health          int // of /health inside
	}{
		{"--listen 127.0.0.1:0", 404, 0, 0},
		{"--listen 127.0.0.1:0 --internal 127.0.0.1:0 --token-secret 0123456789abcdef0123456789abcdef", 404, 404, 200},
		{"--listen 127.0.0.1:0 --internal 127.0.0.1:0 --api-key " + one + " --api-key-file " + file, 404, 200, 200},
		{"--listen 127.0.0.1:0 --api --api-key " + one + " --api-key-file " + file, 200, 0, 0},
		{"--listen 127.0.0.1:0 --api --internal " + unix + " --api-key " + one + " --api-key-file " + file, 200, 200, 200},
		{"--dev --listen 127.0.0.1:0 --internal 127.0.0.1:0", 404, 401, 200}, // its key is another
	} {
		t.Run(c.flags, func(t *testing.T) {
			p := startProgram(t, append(strings.Fields(c.flags), "--open", "--shutdown-spread", "0s")...)
			reader, _ := dial(t, "tcp", p.plain[0].String(), "", nil)
			reader.echo("joined")
			for _, key := range []string{one, two} {
				status, body := ask(t, p.plain[0], "POST", "/api/publish", key, hello)
				if status != c.outside && !(c.outside == 404 && status == 405) { // the pages take no POST
					t.Errorf("outside: %d, %s", status, body)
				}
				if c.outside == 200 {
					reader.reads("from the backend")
				}
				if (c.inside != 0) != (p.inner != nil) {
					t.Fatalf("the internal listener: %v", p.inner)
				}
				if p.inner == nil {
					continue
				}
				if status, body := ask(t, p.inner.addr, "POST", "/api/publish", key, hello); status != c.inside {
					t.Errorf("inside: %d, %s", status, body)
				}
				if c.inside == 200 {
					reader.reads("from the backend")
				}
			}
			if p.inner == nil {
				return
			}
			if status, body := ask(t, p.inner.addr, "GET", "/health", "", ""); status != c.health || body != "ok\n" {
				t.Errorf("health inside: %d %q", status, body)
			}
			if status, _ := ask(t, p.inner.addr, "GET", "/", "", ""); status != 404 {
				t.Errorf("the page is inside: %d", status)
			}
		})
	}
}

// TestDevKey checks that --dev makes a new key at each start and prints it, and that webim never
// prints a key of the settings.
func TestDevKey(t *testing.T) {
	line := regexp.MustCompile(`webim: the server API is at http://(\S+)/api/(?:, its key is (\S+))?\n`)
	greeting := func(flags ...string) (*program, []string) {
		p := startProgram(t, append(flags, "--dev", "--listen", "127.0.0.1:0")...)
		var out bytes.Buffer
		p.greet(&out)
		return p, line.FindStringSubmatch(out.String())
	}
	p, said := greeting("--internal", "127.0.0.1:0")
	if said == nil || len(said[2]) < 16 || said[1] != p.inner.addr.String() {
		t.Fatalf("said %q", said)
	}
	if status, body := ask(t, p.inner.addr, "POST", "/api/publish", said[2], hello); status != 200 || !strings.HasPrefix(body, `{"result":`) {
		t.Errorf("%d, %s", status, body)
	}
	if _, other := greeting("--api"); other == nil || other[2] == said[2] {
		t.Errorf("said %q and %q", said, other)
	}
	if _, given := greeting("--api", "--api-key", "short"); given == nil || given[2] != "" {
		t.Errorf("said %q", given)
	}
	if _, none := greeting(); none != nil {
		t.Errorf("said %q", none)
	}
}
