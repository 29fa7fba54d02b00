package netpoll_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// shutdown runs one in the background.
func shutdown(s *netpoll.Server, ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx, 0) }()
	return done
}

// While one waits for clients that do not answer, another call hurries it, by
// the end of its ctx or at once; both return when all has ended.
func TestShutdownHurried(t *testing.T) {
	soon, cancel := context.WithCancel(context.Background())
	cancel()
	for name, second := range map[string]func(s *netpoll.Server) error{
		"Close":         (*netpoll.Server).Close,
		"a second call": func(s *netpoll.Server) error { return s.Shutdown(soon, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness()
			s, addr := serveAt(t, netpoll.Config{CloseTimeout: time.Hour}, w, false)
			p := wstest.ConnectTLS(t, addr, false)
			first := shutdown(s, context.Background())
			if got, _, err := p.ReadFrame(); got != closeOp || err != nil {
				t.Fatalf("the client gets %02x, %v", got, err)
			}
			if err := second(s); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("it returns %v", err)
			}
			if err := receive(t, "the first call's end", first); !errors.Is(err, netpoll.ErrServerClosed) {
				t.Errorf("the first returns %v", err)
			}
			w.expect(t, netpoll.Shutdown, 1001)
			if err := s.Shutdown(soon, 0); !errors.Is(err, context.Canceled) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A connection that an http.Handler took for itself is waited for, and closed
// when the time is over.
func TestShutdownHijacked(t *testing.T) {
	for _, secured := range []bool{false, true} {
		taken := make(chan io.Closer, 2)
		take := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, "taken")
			taken <- c
		})
		s, addr := serveAt(t, netpoll.Config{HTTP: take}, nil, secured)
		var peers []*wstest.Client
		for range 2 {
			p := wstest.DialTLS(t, addr, secured)
			p.TrySend([]byte(getHello))
			if b, err := p.Reader.Peek(5); string(b) != "taken" {
				t.Fatalf("%q, %v", b, err)
			}
			p.Reader.Discard(5)
			peers = append(peers, p)
		}
		receive(t, "the first", taken).Close()
		wstest.Eventually(t, "its place is free", func() bool { return s.Stats().HTTP == 1 })
		ctx, cancel := context.WithCancel(context.Background())
		done := shutdown(s, ctx)
		wstest.Eventually(t, "it is shutting down", func() bool {
			_, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
			return errors.Is(err, netpoll.ErrServerClosed)
		})
		cancel()
		if err := receive(t, "the end", done); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		for _, p := range peers {
			p.ResetDeadline()
			if _, err := p.Reader.ReadByte(); err == nil {
				t.Error("a byte out of nowhere")
			}
			p.Conn.Close()
		}
		receive(t, "the second", taken).Close() // too late, and harmless
		if n := s.Stats().HTTP; n != 0 {
			t.Errorf("%d with net/http at the end", n)
		}
	}
}

// Whatever runs on what the end waits for may ask for it.
func TestShutdownFromWithin(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for what, ask := range map[string]func(s *netpoll.Server) error{
		"Close":    (*netpoll.Server).Close,
		"Shutdown": func(s *netpoll.Server) error { return s.Shutdown(ctx, 0) },
	} {
		for _, where := range []string{"Message", "Close", "Turn", "Handshake", "GetCertificate", "Tick", "HTTP"} {
			if what == "Shutdown" && where == "HTTP" {
				continue // waits for the request that it is part of, as net/http's does
			}
			t.Run(what+" from "+where, func(t *testing.T) {
				var s *netpoll.Server
				returned := make(chan error, 100)
				at := func(here string) {
					if here == where {
						returned <- ask(s)
					}
				}
				cert := certificate(t, "any")
				s = netpoll.New(netpoll.Config{HTTP: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { at("HTTP") })}, &netpoll.Funcs{
					OnHandshake: func(*netpoll.Request) { at("Handshake") },
					OnMessage:   func(netpoll.Conn, ws.OpCode, []byte) { at("Message") },
					OnClose:     func(netpoll.Conn, netpoll.Closed) { at("Close") },
				})
				t.Cleanup(func() { s.Close() })
				plain, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
				if err != nil {
					t.Fatal(err)
				}
				secured, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0", TLS: &tls.Config{
					GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { at("GetCertificate"); return cert, nil }}})
				if err != nil {
					t.Fatal(err)
				}
				switch where {
				case "Turn":
					s.NewTurn(func() bool { at("Turn"); return false }).Wake()
				case "Tick":
					s.Tick(time.Millisecond, func() { at("Tick") })
				case "GetCertificate":
					c := wstest.Dial(t, secured.String())
					over(t, c, c.Conn, &tls.Config{}) // cut off by the end, or not
					c.Conn.Close()
				case "HTTP":
					p := wstest.DialTLS(t, plain.String(), false)
					p.TrySend([]byte(getHello))
				default:
					p := wstest.DialTLS(t, plain.String(), false)
					p.TrySend(wstest.Upgrade())
					if where != "Handshake" {
						p.Response()
						p.TrySend(append(wstest.Frame(text, "hello"), wstest.Frame(closeOp, "")...))
					}
					p.Rest(true)
					p.Conn.Close()
				}
				if err := receive(t, "it returns", returned); err != nil {
					t.Error(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- s.Serve() }()
				if err := receive(t, "the end", ended); !errors.Is(err, netpoll.ErrServerClosed) {
					t.Error(err)
				}
			})
		}
	}
}
