package memory

import (
	"testing"

	"pgregory.net/rapid"

	"webim/room/engine"
	"webim/room/engine/enginetest"
)

// TestConformance runs the tests that every engine must pass, and checks this engine's own data. Two
// hubs share the engine.
func TestConformance(t *testing.T) {
	enginetest.Run(t, implementation(func(_ enginetest.TB, m *Engine) []engine.Engine { return []engine.Engine{m, m} }))
}

// TestConformanceLate runs them with an engine that calls back late, as engines over a network do. So
// it checks that the tests wait.
func TestConformanceLate(t *testing.T) {
	late := implementation(func(t enginetest.TB, m *Engine) []engine.Engine {
		return []engine.Engine{enginetest.NewLate(t, m, 1), enginetest.NewLate(t, m, 2)}
	})
	late.Slow, late.Next = true, nil
	enginetest.Run(t, late)
}

// inside returns the engine of a node.
func inside(e engine.Engine) *Engine {
	if l, ok := e.(*enginetest.Late); ok {
		e = l.Engine
	}
	return e.(*Engine)
}

func implementation(nodes func(enginetest.TB, *Engine) []engine.Engine) enginetest.Implementation {
	open := func(l enginetest.Limits) *Engine {
		return New(Limits{MaxMessages: l.Messages, MaxBytes: l.Bytes, MaxAge: l.Age, MaxTotal: l.Total, KeyWindow: l.KeyWindow, MaxState: l.MaxState, Now: l.Clock.Now})
	}
	return enginetest.Implementation{
		New: func(t enginetest.TB, l enginetest.Limits) []engine.Engine { return nodes(t, open(l)) },
		Next: func(_ enginetest.TB, l enginetest.Limits, _ engine.Engine) func() engine.Engine {
			return func() engine.Engine { return open(l) }
		},
		End:     func(engine.Engine) {},
		Refuses: true,
		Forgets: true,
		CheckRooms: func(t rapid.TB, e engine.Engine, rooms int) {
			st := inside(e).Stats()
			if st.Topics != rooms {
				t.Fatalf("%d topics, want %d", st.Topics, rooms)
			}
			if st.Topics == 0 && st.Bytes != 0 {
				t.Fatalf("%d bytes without a topic", st.Bytes)
			}
		},
		CheckTable: func(t rapid.TB, e engine.Engine, table string, want int) {
			m, entries := inside(e), 0
			m.Watch(table, func(_, _ engine.Entry) { entries++ })()
			if entries != want {
				t.Fatalf("%d entries, want %d", entries, want)
			}
			if size := m.Stats().State; want == 0 && size != 0 {
				t.Fatalf("an empty state has %d bytes", size)
			}
		},
	}
}
