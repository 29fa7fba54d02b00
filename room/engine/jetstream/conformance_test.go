package jetstream

import (
	"context"
	"testing"

	"webim/room/engine"
	"webim/room/engine/enginetest"
)

// TestStateConformance runs the tests that every State must pass, and those of changes of a log, on two
// nodes.
func TestStateConformance(t *testing.T) {
	without := map[string]string{}
	for _, name := range []string{"log/random steps", "log/concurrent publishers", "log/an offset behind the end", "log/idempotency keys", "log/age", "log/events",
		"control/messages", "control/members"} {
		without[name] = "this test is not about the State"
	}
	enginetest.Run(t, enginetest.Implementation{
		New: func(tb enginetest.TB, l enginetest.Limits) (nodes []engine.Engine) {
			s := startServer(t)
			tb.Cleanup(s.stop)
			for range 2 {
				e, err := Open(context.Background(), Config{Connect: s.connect, Now: l.Clock.Now, MaxState: l.MaxState, Keep: always})
				if err != nil {
					tb.Fatal(err)
				}
				tb.Cleanup(e.Close)
				nodes = append(nodes, e)
			}
			return nodes
		},
		Clock:   true,
		Slow:    true,
		Without: without,
	})
}
