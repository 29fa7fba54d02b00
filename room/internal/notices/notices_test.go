package notices

import (
	"slices"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// notice returns a notice of a client: "+a" joins, "-a" leaves.
func notice(text string) engine.Notice {
	return engine.Notice{Left: text[0] == '-', Who: engine.Author{Client: text[1:]}}
}

func textOf(n engine.Notice) string {
	if n.Left {
		return "-" + n.Who.Client
	}
	return "+" + n.Who.Client
}

// TestQueue checks which notices a queue in debt sends at once ("now") and later ("then").
func TestQueue(t *testing.T) {
	for _, c := range []struct{ happens, now, then string }{
		{"+a +b", "", "+a +b"},
		{"+a -a +b", "", "+b"},
		{"-a", "", "-a"},
		{"+a ? -a", "", "+a -a"}, // a presence has shown the client
		{"? +a -a", "", "+a -a"}, // it may have shown it
		{"+a -a +a", "", "+a"},
		{"+a clear +b", "", "+b"},
		{strings.TrimSpace(strings.Repeat("-x ", Max+2)), "-x -x", strings.TrimSpace(strings.Repeat("-x ", Max))},
	} {
		var sent []string
		send := func(n engine.Notice) int { sent = append(sent, textOf(n)); return 1 }
		var q Queue
		const now = 1
		q.Cost.Charge(Rate, 100*Rate.N, now)
		for _, what := range strings.Fields(c.happens) {
			switch what {
			case "?":
				q.PresenceShown(now)
			case "clear":
				q.Clear()
			default:
				q.Add(notice(what), 1, now, send)
			}
		}
		if got := strings.Join(sent, " "); got != c.now {
			t.Errorf("%.40s: now %.40s, want %.40s", c.happens, got, c.now)
		}
		if q.IsIdle(now) {
			t.Errorf("%.40s: idle, with %d waiting", c.happens, q.Waiting())
		}
		q.Cost, sent = budget.Bucket{}, nil
		q.Flush(1, now, send)
		if got := strings.Join(sent, " "); got != c.then {
			t.Errorf("%.40s: then %.40s, want %.40s", c.happens, got, c.then)
		}
		if len(q.unshown)+q.Waiting() > 0 {
			t.Errorf("%.40s: something is left", c.happens)
		}
	}
}

// TestQueueWithoutDebt checks that a queue that is not in debt sends each notice at once.
func TestQueueWithoutDebt(t *testing.T) {
	var q Queue
	sent := 0
	q.Add(notice("+a"), 1, 1, func(engine.Notice) int { sent++; return 1 })
	q.Add(notice("-a"), 1, 1, func(engine.Notice) int { sent++; return 2 * Rate.N })
	q.Add(notice("+b"), 1, 1, func(engine.Notice) int { sent++; return 1 })
	if sent != 2 || q.Waiting() != 1 || q.Next(1) < Every {
		t.Errorf("%d were sent, %d wait for %v", sent, q.Waiting(), q.Next(1))
	}
}

// TestDelays checks that a client that comes back within the delay is not told of.
func TestDelays(t *testing.T) {
	for _, c := range []struct{ happens, told string }{
		{"+a", "+a"},
		{"-a", "-a"},
		{"-a +a", ""},
		{"-a +a -a", "-a"},
		{"-a +b", "+b -a"},
	} {
		var told []string
		var later []func()
		var d Delays
		d.Start(func() time.Duration { return time.Second }, func(_ string, n engine.Notice) { told = append(told, textOf(n)) },
			func(f func()) { f() }, func(_ time.Time, f func()) { later = append(later, f) })
		for _, what := range strings.Fields(c.happens) {
			d.Notify("r", notice(what))
		}
		for _, f := range later {
			f()
		}
		if !slices.Equal(told, strings.Fields(c.told)) || d.Waiting() > 0 {
			t.Errorf("%s: told %q, want %q; %d wait", c.happens, told, c.told, d.Waiting())
		}
	}
}
