package netpoll_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// Connections that are not open yet, or no longer.

// firstID is the id of a server's first connection.
const firstID = netpoll.ID(1 << 32)

// Ids can be guessed, so a connection in its handshake can be reached; it must
// not be sent a frame, which no client could read before its answer.
func TestNotOpenYet(t *testing.T) {
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secured), func(t *testing.T) {
			w := newWitness()
			s, addr := start(t, netpoll.Config{}, w)
			if secured {
				addr = secure(t, s)
			}
			p := wstest.DialTLS(t, addr, secured)
			p.TrySend(wstest.Upgrade()[:20])
			var c netpoll.Conn
			wstest.Eventually(t, "the connection is there", func() (ok bool) { c, ok = s.Conn(firstID); return ok })
			l := s.NewLog(netpoll.Plain)
			l.Append(ws.OpText, []byte("early"))
			if c.Exists() || c.ID() != firstID {
				t.Error("it is said to be open")
			}
			for what, err := range map[string]error{"Push": c.Push(ws.OpText, []byte("early")), "Ping": c.Ping(nil), "Offer": s.Offer(firstID, l.Next(0))} {
				if !errors.Is(err, netpoll.ErrNotOpen) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := c.Close(1000, "early"); err != nil {
				t.Errorf("Close: %v", err)
			}
			if got := p.Rest(false); got != "eof" && got != "cut" && got != "reset" {
				t.Errorf("the client gets %s", got)
			}
			p.Conn.Close()
			wstest.Eventually(t, "it is counted as failed", func() bool { return s.Stats().Closed[netpoll.HandshakeFailed] == 1 })
			if len(w.closed) != 0 {
				t.Error("the handler was told")
			}
		})
	}
}

// Inside Handler.Close the connection can be asked who it was, and keeps no
// new tag: nobody would ever look at it.
func TestInsideClose(t *testing.T) {
	type seen struct {
		remote string
		ok     bool
		stored bool
		tag    uint64
	}
	ends := make(chan seen, 1)
	_, addr := start(t, netpoll.Config{}, &netpoll.Funcs{
		OnOpen: func(c netpoll.Conn, _ *netpoll.Request) { c.SetTag(7) },
		OnClose: func(c netpoll.Conn, _ netpoll.Closed) {
			info, ok := c.Info()
			ends <- seen{info.Remote.String(), ok, c.SetTag(8), c.Tag()}
		},
	})
	c := wstest.Connect(t, addr)
	local := c.Conn.LocalAddr().String()
	c.Leave()
	if got := receive(t, "close", ends); got != (seen{local, true, false, 7}) {
		t.Errorf("inside Close: %+v; want the address %s and the tag 7", got, local)
	}
}

// Who is in the handshake at shutdown is told so, where HTTP can be said.
func TestShutdownInHandshake(t *testing.T) {
	w := newWitness()
	s, addr := start(t, netpoll.Config{MaxTLSHandshakes: 1}, w)
	secureAddr := secure(t, s)
	half := wstest.Upgrade()[:30]
	silent, plain, secured, hello := wstest.Dial(t, addr), wstest.Dial(t, addr), wstest.DialTLS(t, secureAddr, true), wstest.Dial(t, secureAddr)
	plain.SendBytes(half)
	secured.TrySend(half)
	wstest.DialTLS(t, secureAddr, true).Conn.Close() // its place was secured's, whose handshake so is done for the server too
	wstest.Eventually(t, "four are there", func() bool { st := s.Stats(); return st.Accepted == 5 && st.Handshaking == 4 })
	shut := make(chan error, 1)
	go func() { shut <- s.Shutdown(context.Background(), 0) }()
	for i, c := range []*wstest.Client{silent, plain, secured} {
		if r := c.Response(); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
			t.Errorf("client %d: %s, %v", i, r.Status, r.Header)
		}
		c.ExpectEOF()
		c.Conn.Close()
	}
	hello.ExpectEOF()
	hello.Conn.Close()
	if err := receive(t, "the end", shut); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Closed[netpoll.Refused] != 3 || st.Closed[netpoll.HandshakeFailed] != 2 || st.Refused["server is shutting down"] != 3 {
		t.Errorf("closed %v, refused %v", st.Closed, st.Refused)
	}
}

// Upgrades that race with the shutdown get 1001 or 503, never nothing.
func TestShutdownWhileOpening(t *testing.T) {
	rounds := 20
	if wstest.Long() {
		rounds = 300
	}
	for range rounds {
		w := newWitness()
		s, addr := serveAt(t, netpoll.Config{Workers: 4}, w, false)
		var peers []*wstest.Client
		for range 16 {
			peers = append(peers, wstest.DialTLS(t, addr, false))
		}
		wstest.Eventually(t, "all are there", func() bool { return s.Stats().Accepted == 16 })
		var clients sync.WaitGroup
		for _, p := range peers {
			clients.Go(func() {
				p.TrySend(wstest.Upgrade())
				p.ResetDeadline()
				r, err := http.ReadResponse(p.Reader, nil)
				switch {
				case err != nil:
					t.Errorf("no answer: %v", err)
				case r.StatusCode == http.StatusSwitchingProtocols:
					if got := p.Rest(true); got != "close 1001, eof" {
						t.Errorf("once open: %s", got)
					}
				case r.StatusCode != http.StatusServiceUnavailable:
					t.Errorf("answered with %s", r.Status)
				}
				p.Conn.Close()
			})
		}
		s.Shutdown(context.Background(), 0)
		clients.Wait()
		if st := s.Stats(); st.Opened != int64(len(w.closed)) || st.Opened+st.Closed[netpoll.Refused] != 16 {
			t.Errorf("%d opened, %d of them told of their end, closed %v", st.Opened, len(w.closed), st.Closed)
		}
	}
}
