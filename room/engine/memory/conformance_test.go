package memory

import (
	"testing"

	"pgregory.net/rapid"

	"webim/room/engine"
	"webim/room/engine/enginetest"
)

// TestConformance runs the tests that every engine must pass, and checks this engine's own data.
func TestConformance(t *testing.T) {
	enginetest.Run(t, enginetest.Implementation{
		New: func(l enginetest.Limits) engine.Engine {
			own := Limits{MaxMessages: l.Messages, MaxBytes: l.Bytes, MaxAge: l.Age, MaxTotal: l.Total, KeyWindow: l.KeyWindow, MaxState: l.MaxState}
			if l.Clock != nil {
				own.Now = l.Clock.Now
			}
			return New(own)
		},
		CheckRooms: func(t rapid.TB, e engine.Engine, rooms int) {
			st := e.(*Engine).Stats()
			if st.Topics != rooms {
				t.Fatalf("%d topics, want %d", st.Topics, rooms)
			}
			if st.Topics == 0 && st.Bytes != 0 {
				t.Fatalf("%d bytes without a topic", st.Bytes)
			}
		},
		CheckTable: func(t rapid.TB, e engine.Engine, table string, want int) {
			m, entries := e.(*Engine), 0
			m.Watch(table, func(_, _ engine.Entry) { entries++ })()
			if entries != want {
				t.Fatalf("%d entries, want %d", entries, want)
			}
			if size := m.Stats().State; want == 0 && size != 0 {
				t.Fatalf("an empty state has %d bytes", size)
			}
		},
	})
}
