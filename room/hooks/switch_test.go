package hooks

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/backend"
)

// noticed is a backend that gets notices. It answers each when hold is closed.
type noticed struct {
	*httptest.Server
	hold chan struct{}
	got  chan string // clients
}

func newNoticed(t *testing.T) *noticed {
	b := &noticed{hold: make(chan struct{}), got: make(chan string, 10)}
	b.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, rest, _ := strings.Cut(string(body), `"client":"`)
		client, _, _ := strings.Cut(rest, `"`)
		b.got <- client
		<-b.hold
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *noticed) hooks(hook backend.Hook) *Hooks {
	return New(Config{URLs: urls(b.URL, hook), Timeout: wstest.Patience, Logger: slog.New(slog.DiscardHandler)})
}

// expect waits for the notices of clients, in this order.
func (b *noticed) expect(t *testing.T, clients ...string) {
	t.Helper()
	for _, want := range clients {
		select {
		case got := <-b.got:
			if got != want {
				t.Errorf("the notice of %s, want that of %s", got, want)
			}
		case <-time.After(wstest.Patience):
			t.Fatal("no notice of " + want)
		}
	}
}

// TestReplaceKeepsNotices checks that no notice is lost when the hooks are replaced and closed right after that: the new backend gets
// those that wait, in their order, before newer ones, and the old one the notice that is being sent. If there is no disconnect hook
// any more, the old backend gets all.
func TestReplaceKeepsNotices(t *testing.T) {
	for name, hook := range map[string]backend.Hook{"to another backend": backend.HookDisconnect, "to none": backend.HookConnect} {
		t.Run(name, func(t *testing.T) {
			before, after := newNoticed(t), newNoticed(t)
			s := NewSwitch(before.hooks(backend.HookDisconnect))
			for _, client := range []string{"a", "b", "c"} {
				s.Disconnected(backend.DisconnectEvent{Client: client})
			}
			before.expect(t, "a")
			s.Replace(after.hooks(hook))
			s.Finish()
			if hook == backend.HookDisconnect {
				s.Disconnected(backend.DisconnectEvent{Client: "d"})
			}
			ctx, cancel := context.WithTimeout(t.Context(), wstest.Patience)
			defer cancel()
			closed := make(chan struct{})
			go func() {
				s.Close(ctx)
				close(closed)
			}()
			close(before.hold)
			close(after.hold)
			if hook == backend.HookDisconnect {
				after.expect(t, "b", "c", "d")
			} else {
				before.expect(t, "b", "c")
			}
			<-closed
			if len(before.got)+len(after.got) > 0 || ctx.Err() != nil {
				t.Errorf("%d notices more, %v", len(before.got)+len(after.got), ctx.Err())
			}
		})
	}
}

// TestReplaceAddsFirst checks that a hook that only the new Hooks have is theirs from Replace on, and that one that only the earlier ones
// have is theirs until Finish; and that the earlier Hooks can be put back in between.
func TestReplaceAddsFirst(t *testing.T) {
	first, second := newAnswering(t, "first"), newAnswering(t, "second")
	before := New(Config{URLs: urls(first, backend.HookPublish, backend.HookDisconnect), Secret: "one", Headers: []string{"X-Test"}})
	s := NewSwitch(before)
	defer s.Close(t.Context())
	expect := func(when, connect, publish string) {
		t.Helper()
		for k, want := range map[backend.Hook]string{backend.HookConnect: connect, backend.HookPublish: publish} {
			if s.Handles(k) != (want != "") || s.Asks(k, "room") != (want != "") {
				t.Errorf("%s: the hook %s is there: %v", when, k, s.Handles(k))
			}
			got := make(chan string, 1)
			s.Ask(backend.Request{Hook: k}, func(r backend.Reply, _ error) { got <- string(r.Data) })
			if got := <-got; got != want {
				t.Errorf("%s: %s answers for the hook %s, want %s", when, got, k, want)
			}
		}
	}
	expect("at first", "", `"first"`)
	next := New(Config{URLs: urls(second, backend.HookConnect)})
	s.Replace(next)
	expect("after Replace", `"second"`, `"first"`)
	s.Replace(before)
	s.Finish()
	expect("taken back", "", `"first"`)
	s.Replace(New(Config{URLs: urls(second, backend.HookConnect)}))
	s.Finish()
	expect("after Finish", `"second"`, "")
}

// newAnswering returns the URL of a backend that answers each request with a text.
func newAnswering(t *testing.T, text string) string {
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"result":{"user":"ann","data":%q}}`, text)
	}))
	t.Cleanup(b.Close)
	return b.URL
}
