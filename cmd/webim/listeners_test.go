package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

// TestLocalhostIsBoth: --listen localhost serves both loopback addresses, on one port.
func TestLocalhostIsBoth(t *testing.T) {
	p := startProgram(t, "--listen", "localhost:0", "--internal", "localhost:0", "--api-key", "0123456789abcdef", "--open")
	hosts := []string{"127.0.0.1"}
	if ln, err := net.Listen("tcp", "[::1]:0"); err == nil { // this machine has IPv6
		ln.Close()
		hosts = append(hosts, "[::1]")
	}
	if len(p.plain) != len(hosts) {
		t.Errorf("it listens on %v", p.plain)
	}
	for i := range 2 * len(hosts) {
		host, addr := hosts[i/2], [...]net.Addr{p.plain[0], p.inner.addr}[i%2]
		r, err := http.Get(fmt.Sprintf("http://%s:%d/health", host, addr.(*net.TCPAddr).Port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
}

// TestProxyOnAUnixSocket checks that clients behind a proxy on a Unix socket have the addresses that
// the proxy names, if --proxy lists it.
func TestProxyOnAUnixSocket(t *testing.T) {
	for _, listed := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "s")
		args := []string{"--listen", "unix:" + path, "--open", "--max-conns-per-ip", "1"}
		if listed {
			args = append(args, "--proxy", "unix")
		}
		startProgram(t, args...)
		got := ""
		for _, address := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2"} {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			_, status := (&client{wstest.NewClient(t, conn), t}).open("/lobby", "X-Forwarded-For: 203.0.113.9, "+address)
			got += fmt.Sprint(status == 101, " ")
		}
		if want := map[bool]string{true: "true false true ", false: "true true true "}[listed]; got != want {
			t.Errorf("listed %v: %s, want %s", listed, got, want)
		}
	}
}

// TestSilentSocketsKeepNoOperatorOut checks that sockets which send nothing, or keep open after one
// request, do not block the internal listener for an operator.
func TestSilentSocketsKeepNoOperatorOut(t *testing.T) {
	p := startProgram(t, "--listen", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--open", "--api-key", "0123456789abcdef")
	addr := p.inner.addr.String()
	for i := range p.cfg.InternalConfig().MaxConns + 20 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if i%2 == 0 {
			fmt.Fprint(c, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(wstest.Patience); ; {
		r, err := client.Post("http://"+addr+"/api/info", "application/json", strings.NewReader("{}"))
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusUnauthorized { // by the API, as there is no key
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the operator gets %v, %v", r, err)
		}
	}
}
