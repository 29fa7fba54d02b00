package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/cmd/webim/internal/testcert"
	"webim/netpoll/wstest"
)

// reloadCertificate changes the certificate and its key.
func reloadCertificate(t *testing.T) *reloading {
	pair := func(name string) (settings string, roots *x509.CertPool) {
		cert, key := testcert.New(t, -time.Hour, time.Hour, name)
		roots = x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(cert))
		return fmt.Sprintf("open: true\ntls_listen: 127.0.0.1:0\ntls_cert: %s\ntls_key: %s\n", write(t, "cert", cert), write(t, "key", key)), roots
	}
	first, old := pair("chat.example")
	second, renewed := pair("chat.example")
	r := startReloading(t, first)
	over := func(roots *x509.CertPool) *client {
		c, _ := dial(t, "tcp", r.secure[0].String(), "", &tls.Config{RootCAs: roots, ServerName: "chat.example"})
		return c
	}
	stays := over(old)
	r.says(r.reload(second), "tls_cert (")
	over(renewed).echo("renewed")
	stays.reads("renewed")
	if err := wstest.Dial(t, r.secure[0].String()).StartTLS(wstest.Dial(t, r.secure[0].String()).Conn, &tls.Config{RootCAs: old, ServerName: "chat.example"}); err == nil {
		t.Error("the old certificate is in use")
	}
	return r
}

// reloadTimes changes the times of a stop: with the old ones, none of the two programs would end before an hour has passed.
func reloadTimes(t *testing.T) *reloading {
	const rest = "open: true\nclose_timeout: 1h\ndrain_delay: 1h\n"
	stop := func(r *reloading) {
		t.Helper()
		come, ended := make(chan os.Signal, 1), make(chan error, 1)
		come <- syscall.SIGTERM
		r.signals = &signalled{ends: come}
		go func() { ended <- newRunner(r.program).run() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(wstest.Patience):
			t.Fatal("it does not end")
		}
	}
	start := func(text string) *reloading {
		r := &reloading{t: t, file: write(t, "webim.yaml", text), changed: map[string]bool{}}
		r.program = startProgramOf(t, r.file, "--listen", "127.0.0.1:0")
		return r
	}
	cut := start(rest + "shutdown_spread: 0s\nshutdown_timeout: 1h\n")
	connect(t, cut.addr(), "/lobby") // it does not answer the Close frame
	cut.says(cut.reload("open: true\nclose_timeout: 1h\ndrain_delay: 0s\nshutdown_spread: 0s\nshutdown_timeout: 100ms\n"), "drain_delay (1h → 0s), shutdown_timeout (1h → 100ms) have changed")
	if cut.now.UpgradesInPlace(2) {
		t.Error("upgrade_by is exec")
	}
	cut.says(cut.reload("open: true\nclose_timeout: 1h\ndrain_delay: 0s\nshutdown_spread: 0s\nshutdown_timeout: 100ms\nupgrade_by: exec\n"), "upgrade_by (auto → exec) have changed")
	if !cut.now.UpgradesInPlace(2) {
		t.Error("upgrade_by is not exec")
	}
	stop(cut)

	spread := start(rest + "shutdown_spread: 1h\nshutdown_timeout: 1h\n")
	var all []*client
	for range 20 {
		all = append(all, connect(t, spread.addr(), "/lobby"))
	}
	spread.says(spread.reload("open: true\nclose_timeout: 1h\ndrain_delay: 0s\nshutdown_spread: 0s\nshutdown_timeout: 1h\n"), "drain_delay (1h → 0s), shutdown_spread (1h → 0s) have changed")
	for _, c := range all {
		go c.Rest(true)
	}
	stop(spread)
	maps.Copy(spread.changed, cut.changed)
	return spread
}

// reloadRooms changes who may be in rooms, and how much these remember.
func reloadRooms(t *testing.T) *reloading {
	some := "rate_read: none\nuser_rate_read: none\nrate_recovered: none\nuser_rate_recovered: none\nrooms:\n  - match: a\n    allow: {join: anonymous, read: anonymous}\n"
	r := startReloading(t, some)
	r.expectStatus("/b", 403)
	r.says(r.reload(some+"open: true\n"), "open (false → true) have changed")
	r.expectStatus("/b", 101)
	s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	s.Connect(&protocol.ConnectRequest{})
	remembers := func(room string, want int) {
		t.Helper()
		reply := s.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: room, Limit: -1}})
		if reply.Error != nil || len(reply.History.Publications) != want {
			t.Errorf("%s remembers %d messages (%v), want %d", room, len(reply.History.GetPublications()), reply.Error, want)
		}
	}
	large := `{"blob":"` + strings.Repeat("a", 100<<10) + `"}`
	for range 4 {
		s.Publish("b", large)
	}
	remembers("b", 4)
	r.says(r.reload(some+"open: true\nhistory_messages: 3\n"), "history_messages (100 → 3) have changed")
	remembers("b", 3)
	r.says(r.reload(some+"open: true\nhistory_bytes: 250KiB\nmax_publication: 50KiB\n"), "history_bytes (1MiB → 250KiB)")
	s.Publish("b", `{}`)
	remembers("b", 3)
	r.says(r.reload(some+"open: true\nhistory_age: 1s\n"), "history_age (5m → 1s)")
	wstest.Eventually(t, "the messages are too old", func() bool {
		reply := s.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: "b", Limit: -1}})
		return reply.Error == nil && len(reply.History.Publications) == 0
	})
	r.says(r.reload(some+"open: true\nhistory_total: 1MiB\n"), "history_total (64MiB → 1MiB)")
	for _, room := range []string{"d", "e", "f", "g"} {
		for range 3 {
			s.Publish(room, large)
		}
	}
	remembers("d", 0)
	remembers("g", 3)
	s.Leave()
	return r
}
