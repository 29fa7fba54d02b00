package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"testing"
	"time"

	"webim/bench/benchtest"
)

func TestFleetTimeoutAndClosing(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0") // accepts in the kernel, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := NewFleet(Config{URL: "ws://" + ln.Addr().String(), Timeout: 200 * time.Millisecond, InFlight: 3}, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if failed, err := f.Dial(context.Background(), 0, 10); failed != 10 || err != nil || f.Failures()[ErrTimeout.Error()] != 10 {
		t.Errorf("%d %v %v", failed, err, f.Failures())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Dial(ctx, 0, 10); err == nil {
		t.Error("not interrupted")
	}
}

// A server that accepts and never answers: the handshakes end by the timeout or by Close, and no goroutine remains.
func TestTLSTimeout(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0") // accepts in the kernel, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := Config{URL: "wss://" + ln.Addr().String(), Timeout: 200 * time.Millisecond, InFlight: 5}
	f, err := NewFleet(cfg, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	if failed, err := f.Dial(context.Background(), 0, 10); failed != 10 || err != nil || f.Failures()[ErrTimeout.Error()] != 10 {
		t.Errorf("%d %v %v", failed, err, f.Failures())
	}
	f.Close()
	cfg.Timeout = time.Hour
	if f, err = NewFleet(cfg, 10, 2); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cfg.Progress = func(string, int, int) { cancel() }
	if _, err := f.Dial(ctx, 0, 10); err == nil {
		t.Error("not interrupted")
	}
	f.Close()
}

// The decrypted text does not depend on the pieces in which records arrive.
func TestDecryptEverySplit(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{}).StartTLS(t) // for its certificate
	text := bytes.Repeat([]byte("hello, "), 50)
	for size := 1; size < 400; size += 7 {
		a, b := net.Pipe()
		server := tls.Server(a, s.Secure)
		wire := &transport{Conn: b}
		c := &tlsSession{tls.Client(wire, &tls.Config{InsecureSkipVerify: true}), wire}
		done := make(chan error, 1)
		records := &bytes.Buffer{}
		go func() { done <- server.Handshake() }()
		if err := c.conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		// TLS 1.3 sends tickets after the handshake. They arrive with the first records.
		reads := make(chan struct{})
		go func() {
			defer close(reads)
			_, _ = records.ReadFrom(b) // until a is closed
		}()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		_, _ = server.Write(text)
		a.Close()
		<-reads
		wire.Conn = nil
		var got []byte
		for piece := range slices.Chunk(records.Bytes(), size) {
			if err := c.decrypt(piece, make([]byte, 64), func(p []byte) error { got = append(got, p...); return nil }); err != nil {
				t.Fatalf("pieces of %d: %v", size, err)
			}
		}
		if !bytes.Equal(got, text) {
			t.Fatalf("pieces of %d: %q", size, got)
		}
	}
}
