package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a server does shows over TLS as it does without: delays, losses, doubles; with permessage-deflate inside, and large messages.
func TestFloodOverTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		packed bool
		size   Size
	}{"plain": {false, FixedSize(128)}, "packed": {true, FixedSize(300)}, "many records": {false, FixedSize(40000)}} {
		s := (&chatServer{deflate: c.packed, delay: 50 * time.Millisecond, receive: func(n int, p []byte) [][]byte {
			switch n {
			case 7:
				return nil
			case 9:
				return [][]byte{p, p}
			}
			return [][]byte{p}
		}}).startTLS(t)
		cfg := quick(s)
		cfg.Compress = c.packed
		r, err := Flood{Clients: 12, Senders: 3, Rate: []float64{100}, Seconds: .5, Size: c.size, Grace: 10 * time.Second}.Run(context.Background(), cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f := r.Flood[0]
		if f.Sent != 50 || f.Lost != 12 || f.Duplicates != 12 || f.Reordered+f.Foreign != 0 || f.Latency.P50 < 50 || f.Gone != 0 || r.Conditions.Compressed != c.packed {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// All scenarios take wss, for a Fleet is a Fleet.
func TestScenariosOverTLS(t *testing.T) {
	t.Parallel()
	s := (&chatServer{delay: 20 * time.Millisecond}).startTLS(t)
	ctx, cfg := context.Background(), quick(s)
	r, err := Fanout{Clients: 10, Rounds: 2, Block: 1, Size: FixedSize(128)}.Run(ctx, cfg)
	if err != nil || r.Fanout.Server.Last.Min < 20 || r.Fanout.Server.Lost != 0 || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "without TLS") }) {
		t.Errorf("fanout: %v %+v", err, r)
	}
	r, err = Echo{Clients: 5, InFlight: 2, Seconds: .2, Size: FixedSize(128)}.Run(ctx, cfg)
	if err != nil || r.Echo.Lost != 0 || r.Echo.Answered == 0 || r.Echo.Latency.P50 < 20 {
		t.Errorf("echo: %v %+v", err, r)
	}
	r, err = Storm{Clients: 30, Rounds: 2, Stay: 3, Rate: 50, Size: FixedSize(128)}.Run(ctx, cfg)
	if err != nil || r.Storm.Rounds[1].Back != 30 || r.Storm.Rounds[1].Traffic.Lost != 0 {
		t.Errorf("storm: %v %+v", err, r)
	}
}

// A server that accepts and says nothing: the handshakes end with the timeout, and with Close, and leave no goroutine.
func TestTLSThatNeverComes(t *testing.T) {
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
	if failed, err := f.Dial(context.Background(), 0, 10); failed != 10 || err != nil || f.Failures()[errTimeout.Error()] != 10 {
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

// Whatever the pieces in which records come, the same text comes out.
func TestSealedEverySplit(t *testing.T) {
	t.Parallel()
	s := (&chatServer{}).startTLS(t) // for its certificate
	text := bytes.Repeat([]byte("hello, "), 50)
	for size := 1; size < 400; size += 7 {
		a, b := net.Pipe()
		server := tls.Server(a, s.secure)
		wire := &wire{Conn: b}
		c := &sealed{tls.Client(wire, &tls.Config{InsecureSkipVerify: true}), wire}
		done := make(chan error, 1)
		records := &bytes.Buffer{}
		go func() { done <- server.Handshake() }()
		if err := c.conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		// TLS 1.3 sends tickets behind the handshake: they come with the first records.
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
			if err := c.open(piece, make([]byte, 64), func(p []byte) error { got = append(got, p...); return nil }); err != nil {
				t.Fatalf("pieces of %d: %v", size, err)
			}
		}
		if !bytes.Equal(got, text) {
			t.Fatalf("pieces of %d: %q", size, got)
		}
	}
}
