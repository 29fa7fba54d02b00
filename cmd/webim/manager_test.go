package main_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/cmd/webim/internal/testcert"
)

// testDraining checks that during a shutdown new clients get 503 with Retry-After, and a load balancer
// learns by /health to send no more. SIGHUP does not change that.
func testDraining(t *testing.T, program string) {
	r := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--close-timeout", "1h", "--shutdown-spread", "1m", "--shutdown-timeout", "1h")
	leaving, staying := dial(t, "tcp", r.addrs[0]), dial(t, "tcp", r.addrs[0])
	r.signal(syscall.SIGTERM)
	r.awaitLog("shutting down")
	r.signal(syscall.SIGHUP)
	if h, err := ws.ReadHeader(leaving); err != nil || h.OpCode != ws.OpClose {
		t.Fatalf("the first gets %+v, %v", h, err)
	}
	for range 21 {
		_, err := tryDial(t, "tcp", r.addrs[0])
		if status := ws.StatusError(0); !errors.As(err, &status) || status != http.StatusServiceUnavailable {
			t.Errorf("a newcomer gets %v, want 503", err)
		}
	}
	answer, err := http.Get("http://" + r.addrs[0] + "/health")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("/health: %s, %v", answer.Status, answer.Header)
	}
	staying.echo("who has not been told to leave is served")
	_ = leaving.Close()
	_ = staying.Close()
	if code := r.awaitExit(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.output.String())
	}
}

// testCertificateReload checks that new connections get a renewed certificate, by itself and at once
// after SIGHUP, and that open ones keep theirs.
func testCertificateReload(t *testing.T, program string) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	renew := func(name string) {
		t.Helper()
		c, k := testcert.New(t, 0, time.Hour, name)
		for path, text := range map[string]string{cert: c, key: k} {
			if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}
	}
	renew("first.example")
	r := launch(t, program, nil, "--open", "--tls-listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	served := func() string {
		c, err := tls.Dial("tcp", r.addrs[0], &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	if got := served(); got != "first.example" {
		t.Errorf("%s is served", got)
	}
	renew("second.example")
	retry(t, func() bool { return served() == "second.example" })
	if err := os.WriteFile(cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.signal(syscall.SIGHUP)
	r.awaitLog("the settings are not reloaded, and the old ones stay in force")
	if got := served(); got != "second.example" {
		t.Errorf("after a bad renewal %s is served", got)
	}
	renew("third.example")
	r.signal(syscall.SIGHUP)
	retry(t, func() bool { return served() == "third.example" })
	r.awaitLog("the settings are reloaded")
	r.signal(syscall.SIGTERM)
	if code := r.awaitExit(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, r.output.String())
	}
}

// testServiceManager checks that webim tells the service manager when it serves, that it is alive, when
// it reloads and when it stops, on a socket in the file system and on an abstract one.
func testServiceManager(t *testing.T, program string) {
	dir, err := os.MkdirTemp("", "webim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, c := range []struct {
		name   string
		vars   []string
		beaten bool
	}{
		{filepath.Join(dir, "notify"), []string{"WATCHDOG_USEC=2000000"}, true},
		{fmt.Sprintf("@webim-test-%d", os.Getpid()), nil, false},
		{filepath.Join(dir, "notify2"), []string{"WATCHDOG_USEC=200000", "WATCHDOG_PID=1"}, false}, // another's
	} {
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: c.name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		var beats int
		await := func(want string) {
			t.Helper()
			b := make([]byte, 4096)
			manager.SetReadDeadline(time.Now().Add(startTimeout)) // of this: the watchdog's beats go on meanwhile
			for {
				n, err := manager.Read(b)
				if err != nil {
					t.Fatalf("%s did not come: %v", want, err)
				}
				if got := string(b[:n]); got == "WATCHDOG=1" {
					beats++
				} else if !strings.HasPrefix(got, want) {
					t.Errorf("%q came instead of %q", got, want)
				}
				if strings.HasPrefix(string(b[:n]), want) {
					return
				}
			}
		}
		prefix := append([]string{"env", "NOTIFY_SOCKET=" + c.name}, c.vars...)
		r := launch(t, program, prefix, "--dev", "--listen", "127.0.0.1:0", "--shutdown-timeout", "1m")
		await("READY=1")
		client := dial(t, "tcp", r.addrs[0])
		client.echo("it serves")
		_ = client.Close()
		if c.beaten {
			await("WATCHDOG=1")
			await("WATCHDOG=1")
		}
		r.signal(syscall.SIGHUP)
		await("RELOADING=1\nMONOTONIC_USEC=")
		await("READY=1")
		r.signal(syscall.SIGTERM)
		await("STOPPING=1\nEXTEND_TIMEOUT_USEC=65000000")
		if code := r.awaitExit(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, r.output.String())
		}
		if !c.beaten && beats > 0 {
			t.Errorf("%v: the watchdog is fed, for which nobody asked", c.vars)
		}
		manager.Close()
	}

	r := launch(t, program, []string{"env", "NOTIFY_SOCKET=" + filepath.Join(dir, "none")}, "--dev", "--listen", "127.0.0.1:0")
	client := dial(t, "tcp", r.addrs[0])
	client.echo("it serves without one, too")
	_ = client.Close()
	r.signal(syscall.SIGTERM)
	r.awaitExit()
	if n := len(r.log("the service manager cannot be notified")); n != 1 {
		t.Errorf("%d lines say that nobody listens, want one", n)
	}
}
