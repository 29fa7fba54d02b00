package netpoll_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// drain begins a shutdown that lasts until the client, which is told to leave,
// answers; it returns when the server says goodbye to it.
func drain(t *testing.T, s *netpoll.Server, c *wstest.Client, spread time.Duration) (end <-chan error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background(), spread) }()
	if got, _, err := c.ReadFrame(); got != closeOp || err != nil {
		t.Fatalf("the client gets %02x, %v", got, err)
	}
	return done
}

// answerGoodbye answers the Close frame that drain has read.
func answerGoodbye(c *wstest.Client) {
	c.Closing = true
	c.Send(closeOp, wstest.ClosePayload(1001, ""))
	c.ExpectEOF()
	c.Conn.Close()
}

// While a server drains, whoever comes is told 503 and when to come again: by a new
// connection, with or without TLS, for a page or a WebSocket; on one that was there
// before, and had asked nothing yet, half a question, or a page.
func TestDrainingRefusesPolitely(t *testing.T) {
	pages := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	s, addr := start(t, netpoll.Config{HTTP: pages, CloseTimeout: time.Hour}, nil)
	secureAddr := secure(t, s)
	member := wstest.Connect(t, addr)
	end := drain(t, s, member, 0)

	page := []byte("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
	for round := range 3 {
		for what, request := range map[string][]byte{"a page": page, "a WebSocket": wstest.Upgrade()} {
			for name, at := range map[string]string{"plain": addr, "TLS": secureAddr} {
				p := wstest.DialTLS(t, at, at == secureAddr)
				p.TrySend(request)
				expectStopping(t, fmt.Sprintf("round %d, %s over %s", round, what, name), p.Reader)
				p.Conn.Close()
			}
		}
	}
	answerGoodbye(member)
	if err := receive(t, "the end", end); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Refused["server is shutting down"] != 12 || st.Opened != 1 {
		t.Errorf("%d opened, refused %v", st.Opened, st.Refused)
	}
}

func expectStopping(t *testing.T, what string, br *bufio.Reader) {
	t.Helper()
	r, err := http.ReadResponse(br, nil)
	if err != nil || r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %v, %v", what, r, err)
	}
}

// Whoever comes does not keep the server from ending, not even by saying nothing, and
// more can be refused at a time than at a limit.
func TestDrainingEndsWithSilentClients(t *testing.T) {
	const silent = 100
	s, addr := start(t, netpoll.Config{CloseTimeout: time.Hour, HandshakeTimeout: time.Hour}, nil)
	member := wstest.Connect(t, addr)
	end := drain(t, s, member, 0)
	var all []*wstest.Client
	for range silent {
		all = append(all, wstest.Dial(t, addr))
	}
	for i, c := range all[:silent/2] {
		c.SendBytes(wstest.Upgrade())
		expectStopping(t, fmt.Sprint("client ", i), c.Reader)
	}
	answerGoodbye(member)
	if err := receive(t, "the end", end); err != nil {
		t.Error(err)
	}
}

// Timers go on while a server drains, and end with it.
func TestDrainingKeepsTimers(t *testing.T) {
	s, addr := start(t, netpoll.Config{CloseTimeout: time.Hour}, nil)
	ticks, late := make(chan bool), make(chan bool, 1)
	s.Tick(time.Millisecond, func() {
		select {
		case ticks <- true:
		default:
		}
	})
	member := wstest.Connect(t, addr)
	end := drain(t, s, member, 0)
	for range 3 {
		receive(t, "a tick", ticks)
	}
	s.After(time.Millisecond, func() { late <- true })
	receive(t, "a timer that was made meanwhile", late)
	answerGoodbye(member)
	if err := receive(t, "the end", end); err != nil {
		t.Error(err)
	}
	s.After(0, func() { late <- true })
	if len(late) > 0 {
		t.Error("a timer came after the end")
	}
}

// settler pushes its last words to each connection when it is asked to.
type settler struct {
	netpoll.Funcs
	mu    sync.Mutex
	calls int
	sizes int
}

func (h *settler) Settle(_ context.Context, conns []netpoll.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls, h.sizes = h.calls+1, h.sizes+len(conns)
	for _, c := range conns {
		if err := c.Push(ws.OpText, []byte("last words")); err != nil {
			panic(err)
		}
	}
}

// Each open connection is settled once before its goodbye, also when goodbyes are
// spread; those in their handshakes are not.
func TestShutdownSettles(t *testing.T) {
	for _, spread := range []time.Duration{0, 20 * time.Millisecond} {
		h := &settler{}
		s, addr := start(t, netpoll.Config{}, h)
		silent := wstest.Dial(t, addr) // asks nothing
		var all []*wstest.Client
		for range 10 {
			all = append(all, wstest.ConnectTLS(t, addr, false))
		}
		wstest.Eventually(t, "all are there", func() bool { return s.Stats().Accepted == 11 })
		var readers sync.WaitGroup
		readers.Go(func() {
			expectStopping(t, "in its handshake", silent.Reader)
			silent.Conn.Close()
		})
		for _, c := range all {
			readers.Go(func() {
				if got := c.Rest(true); got != "text last words, close 1001, eof" {
					t.Errorf("it gets %s", got)
				}
				c.Conn.Close()
			})
		}
		if err := s.Shutdown(context.Background(), spread); err != nil {
			t.Error(err)
		}
		readers.Wait()
		if h.sizes != 10 || spread > 0 && h.calls < 2 {
			t.Errorf("spread %v: %d connections settled in %d calls", spread, h.sizes, h.calls)
		}
	}
}
