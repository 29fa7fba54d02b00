package refusal

import (
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"webim/netpoll/wstest"
)

var client = netip.MustParseAddrPort("192.0.2.7:1234")

// TestCounts checks that refusals are counted by reason, and that an answer to /health is none.
func TestCounts(t *testing.T) {
	r := NewReporter(nil)
	for _, why := range []Reason{Full, PerIP, Full, Health} {
		r.Count(why)
	}
	if got, want := r.Counts(), (map[string]int64{"server full": 2, "too many from address": 1}); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestLog checks that a reason with a hint leaves one line, with a client's text of limited length, and
// that a reason without one leaves none.
func TestLog(t *testing.T) {
	var out wstest.Log
	r := NewReporter(slog.New(slog.NewTextHandler(&out, nil)))
	for range 3 {
		r.Log(Handler, client, "")
		r.Log(Origin, client, strings.Repeat("x", 2*maxDetail))
	}
	log := out.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "is refused: origin") || !strings.Contains(log, "from="+client.String()) || !strings.Contains(log, "--allow-origin") {
		t.Errorf("logged: %s", log)
	}
	if n := strings.Count(log, "x"); !strings.Contains(log, strings.Repeat("x", maxDetail)) || strings.Contains(log, strings.Repeat("x", maxDetail+1)) {
		t.Errorf("the line has %d bytes of the client's text: %s", n, log)
	}
}

// TestAtLimit checks the answer to a client that comes too early, whatever the reason.
func TestAtLimit(t *testing.T) {
	for why, text := range map[Reason]string{Stopping: "server is shutting down", HTTPFull: "server is at its limit: too many http connections"} {
		a := AtLimit(why)
		if a.Why != why || a.Text != text || !strings.HasPrefix(string(a.Answer()), "HTTP/1.1 503 Service Unavailable\r\nRetry-After: ") {
			t.Errorf("%s: %+v", why, a)
		}
	}
}

func TestAddrText(t *testing.T) {
	for want, addr := range map[string]netip.AddrPort{
		"192.0.2.7:1234": client,
		"192.0.2.7":      netip.AddrPortFrom(client.Addr(), 0),
		"unix":           {},
	} {
		if got := AddrText(addr); got != want {
			t.Errorf("%v is %q, want %q", addr, got, want)
		}
	}
}
