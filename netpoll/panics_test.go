package netpoll_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// A panic in what the user gave the server, wherever it runs, is logged with
// its stack, ends what it was to decide, and nothing else.

func logged(log *wstest.Log, words ...string) bool {
	for _, w := range append(words, "panics_test.go") {
		if !strings.Contains(log.String(), w) {
			return false
		}
	}
	return true
}

func TestPanicInCheckOrigin(t *testing.T) {
	var log wstest.Log
	s, addr := start(t, netpoll.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)),
		CheckOrigin: func(*netpoll.Request) bool { panic("no origins") }}, echo())
	c := wstest.Dial(t, addr)
	if r := c.Handshake("Origin: http://localhost"); r.StatusCode != http.StatusInternalServerError {
		t.Errorf("answered with %s", r.Status)
	}
	c.ExpectEOF()
	c.Conn.Close()
	wstest.Connect(t, addr).Leave() // without an Origin
	if st := s.Stats(); st.Panics != 1 || !logged(&log, "CheckOrigin", "no origins") {
		t.Errorf("%d panics counted, logged %s", st.Panics, log.String())
	}
}

func TestPanicInTLSConfig(t *testing.T) {
	var log wstest.Log
	s, _ := start(t, netpoll.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), MaxTLSHandshakes: 1}, echo())
	var calm atomic.Bool
	cert := certificate(t, "late")
	for i, cfg := range []*tls.Config{
		{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if !calm.Load() {
				panic("no certificate")
			}
			return cert, nil
		}},
		{Certificates: []tls.Certificate{*cert}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if !calm.Load() {
				panic("no configuration")
			}
			return nil, nil
		}},
	} {
		addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0", TLS: cfg})
		if err != nil {
			t.Fatal(err)
		}
		calm.Store(false)
		c := wstest.Dial(t, addr.String())
		if _, err := over(t, c, c.Conn, &tls.Config{}); err == nil {
			t.Error("the handshake succeeds")
		}
		c.Conn.Close()
		calm.Store(true)
		p := wstest.ConnectTLS(t, addr.String(), true) // the place is free again
		p.TrySend(wstest.Frame(text, "hello"))
		p.Expect(text, "hello")
		p.Conn.Close()
		wstest.Eventually(t, "it is counted as failed", func() bool { return s.Stats().Closed[netpoll.HandshakeFailed] == int64(i+1) })
	}
	if st := s.Stats(); st.Panics != 2 || !logged(&log, "TLS handshake", "no certificate", "no configuration") {
		t.Errorf("%d panics counted, logged %s", st.Panics, log.String())
	}
}

func TestPanicInTimers(t *testing.T) {
	var log wstest.Log
	s, _ := start(t, netpoll.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, echo())
	calls := make(chan int, 1000)
	n := 0
	tick := s.Tick(time.Millisecond, func() {
		n++
		calls <- n
		panic(fmt.Sprint("tick ", n))
	})
	for range 3 {
		receive(t, "a tick", calls)
	}
	tick.Stop()
	s.After(time.Millisecond, func() { panic("after") })
	wstest.Eventually(t, "all are counted and logged", func() bool {
		return s.Stats().Panics >= 4 && logged(&log, "callback=Tick", "callback=After", "tick 3")
	})
}
