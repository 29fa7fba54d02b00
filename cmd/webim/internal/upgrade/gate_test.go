package upgrade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"webim/netpoll/wstest"
)

// gated is a gate whose test postpones requests, or lets them wait.
type gated struct {
	Gate
	handler http.Handler
	asked   chan bool
	back    chan bool // whether a request goes back
}

func newGated() *gated {
	g := &gated{asked: make(chan bool), back: make(chan bool)}
	g.Postpone = func(http.ResponseWriter, *http.Request) bool {
		g.asked <- true
		return <-g.back
	}
	g.handler = g.Over(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") }))
	return g
}

// ask sends a request, and returns its answer when there is one.
func (g *gated) ask(ctx context.Context) <-chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() {
		w := httptest.NewRecorder()
		g.handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/", nil))
		answer <- w
	}()
	return answer
}

// TestGate checks that requests which come while the gate is closed are postponed or wait, and what becomes of those that wait.
func TestGate(t *testing.T) {
	g := newGated()
	if got := <-g.ask(t.Context()); got.Body.String() != "served" {
		t.Errorf("the gate is open: %q", got.Body)
	}
	g.Close()
	postponed := g.ask(t.Context())
	<-g.asked
	g.back <- true
	if got := <-postponed; got.Body.Len() > 0 || got.Code != http.StatusOK || len(got.Header()) > 0 {
		t.Errorf("a request that goes back has an answer: %d %q", got.Code, got.Body)
	}
	waits := g.ask(t.Context())
	<-g.asked
	g.back <- false
	ctx, cancel := context.WithCancel(t.Context())
	gone := g.ask(ctx)
	<-g.asked
	g.back <- false
	cancel()
	<-gone
	g.Open()
	if got := <-waits; got.Body.String() != "served" {
		t.Errorf("the gate opens: %q", got.Body)
	}
	g.Close()
	refused := g.ask(t.Context())
	<-g.asked
	g.back <- false
	wstest.Eventually(t, "it waits", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.waiting == 1
	})
	g.Retire()
	if err := g.Empty(t.Context()); err != nil {
		t.Error(err)
	}
	for _, got := range []*httptest.ResponseRecorder{<-refused, <-g.ask(t.Context())} { // a later one is refused, too
		if h := got.Header(); got.Code != http.StatusServiceUnavailable || h.Get("Retry-After") != "1" || h.Get("Connection") != "close" {
			t.Errorf("another process serves: %d, %v", got.Code, h)
		}
	}
	g.Open() // the program could not be replaced
	if got := <-g.ask(t.Context()); got.Body.String() != "served" {
		t.Errorf("the gate is open again: %q", got.Body)
	}
	if g.inside != 0 || g.waiting != 0 {
		t.Errorf("%d requests are inside, and %d wait", g.inside, g.waiting)
	}
}

// TestLimitBodies checks that a request whose body never comes does not keep the gate from being empty, whether its handler reads the
// body or not; and that one whose body has come goes on.
func TestLimitBodies(t *testing.T) {
	var g Gate
	inside, goOn := make(chan bool), make(chan bool)
	s := httptest.NewServer(g.Over(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if r.URL.Path != "/unread" {
			inside <- true
			_, err = io.ReadAll(r.Body)
		}
		if r.URL.Path == "/whole" {
			<-goOn
			err = cmp.Or(err, r.Context().Err())
		}
		fmt.Fprint(w, errors.Is(err, os.ErrDeadlineExceeded), " ", err == nil)
	})))
	defer s.Close()
	ask := func(path, body string) *wstest.Client {
		c := wstest.Dial(t, s.Listener.Addr().String())
		c.SendBytes(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n%s", path, body))
		return c
	}
	says := func(c *wstest.Client, want string) {
		t.Helper()
		if got, err := io.ReadAll(c.Response().Body); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	whole, half := ask("/whole", "0123456789"), ask("/half", "01234")
	<-inside
	<-inside
	wstest.Eventually(t, "a body is read", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.bodies) == 1
	})
	g.Close()
	g.LimitBodies(0)
	says(half, "true false")
	goOn <- true
	says(whole, "false true")
	if err := g.Empty(t.Context()); err != nil {
		t.Error(err)
	}
	g.Open()
	empty := make(chan error, 1)
	ask("/half", "")
	<-inside
	go func() { empty <- g.Empty(t.Context()) }()
	wstest.Eventually(t, "somebody waits", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.empty != nil
	})
	unread := ask("/unread", "")
	wstest.Eventually(t, "the second one has come", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.inside == 2
	})
	wstest.Eventually(t, "both have ended", func() bool {
		g.LimitBodies(0)
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.inside == 0
	})
	says(unread, "false true")
	if err := <-empty; err != nil {
		t.Error(err)
	}
}
