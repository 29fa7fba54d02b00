package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// check probes external addresses and reports each failure as a warning.
func TestCheckProbes(t *testing.T) {
	var asked int
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch asked++; r.URL.Path {
		case "/html":
			fmt.Fprint(w, "<html>")
		case "/moved":
			http.Redirect(w, r, "/keys", http.StatusFound)
		case "/keys":
			fmt.Fprint(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(backend.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS() // with a certificate that nobody here trusts
	t.Cleanup(secure.Close)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := gone.Addr().String()
	gone.Close()
	taken := backend.Listener.Addr().String()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags string
		want  []string // parts of the warnings, in their order
	}{
		{"--listen 127.0.0.1:0 --listen unix:" + dir + "/socket --proxy unix --listen [::1]:0 --listen localhost:0", nil},
		{"--listen unix:" + dir + "/socket --listen [::1]:0", []string{"/socket has no addresses of clients, so bans by address and limits of an address do nothing there: if a proxy connects to it, add --proxy unix"}},
		{"--proxy unix", []string{"--proxy: unix has no effect, because no address to listen on is a Unix socket"}},
		{"--listen " + taken, nil}, // perhaps it is ours that listens
		{"--listen 192.0.2.1:9501", []string{"--listen: cannot listen on 192.0.2.1:9501: cannot assign requested address; this machine does not have that address"}},
		{"--proxy unix --listen unix:/nowhere/socket", []string{"--listen: cannot listen on unix:/nowhere/socket: no such file or directory; choose a path in a folder that exists"}},
		{"--proxy unix --listen unix:" + dir + "/file", []string{"/file: a file that is not a socket has this name; remove it, or choose another path"}},
		{"--proxy 10.0.0.1 --proxy 0.0.0.0/0", []string{"--proxy: 0.0.0.0/0 has all addresses, so that each client may say which address it has"}},
		{"--proxy unix --listen unix:" + dir + "/file/socket", []string{"choose a path in a folder"}},
		{"--listen 127.0.0.1:0 --internal 192.0.2.1:1 --api-key 0123456789abcdef", []string{"the internal address 192.0.2.1:1 can be reached", "--internal: cannot listen on 192.0.2.1:1"}},
		{"--token-jwks " + backend.URL + "/keys", nil},
		{"--token-jwks " + backend.URL + "/html", []string{"--token-jwks: the JWKS is refused: it is not a JSON object with keys"}},
		{"--token-jwks " + backend.URL + "/none", []string{"answers with status 404"}},
		{"--token-jwks " + backend.URL + "/moved", []string{"it redirects, but only the configured address is trusted"}},
		{"--token-jwks http://" + nobody + "/", []string{"connection refused"}},
		{"--hook-rpc " + backend.URL + "/rpc --hook-secret 0123456789abcdef0123456789abcdef", nil},
		{"--hook-connect http://" + nobody + "/connect --hook-publish " + secure.URL + "/p --hook-secret 0123456789abcdef0123456789abcdef",
			[]string{"--hook-connect: http://" + nobody + "/connect cannot be reached from here: ", "--hook-publish: " + secure.URL + "/p cannot be reached from here: tls: failed to verify certificate"}},
	} {
		args := append([]string{"check", "--open"}, strings.Fields(c.flags)...)
		if !strings.Contains(c.flags, "--listen") {
			args = append(args, "--listen", "127.0.0.1:0")
		}
		code, out, errs := webim("", nil, args...)
		var got []string
		for line := range strings.Lines(out) {
			if text, ok := strings.CutPrefix(line, "# warning: "); ok && !strings.HasPrefix(text, "open is set") && !strings.HasPrefix(text, "what clients may") {
				got = append(got, text)
			}
		}
		for i, want := range c.want {
			if i >= len(got) || !strings.Contains(got[i], want) {
				t.Errorf("%s: %q, want %q", c.flags, got, want)
			}
		}
		if code != 0 || len(got) != len(c.want) {
			t.Errorf("%s: %d, %s%q, want %d", c.flags, code, errs, got, len(c.want))
		}
	}
	if asked != 4 {
		t.Errorf("the backend was asked %d times, want for the keys alone", asked)
	}
}

// check prints the table and its sum, and nothing that a file could not hold.
func TestCheckPrintsMemory(t *testing.T) {
	code, out, errs := webim("", nil, "check", "--max-conns", "1000", "--max-queued", "256MiB")
	for _, want := range []string{"\n# memory: the bounds and their sum\n", "\n#   max_queued                              256.0 MiB\n", "\n#   the sum "} {
		if !strings.Contains(out, want) {
			t.Errorf("%d: no %q in\n%s%s", code, want, out, errs)
		}
	}
}
