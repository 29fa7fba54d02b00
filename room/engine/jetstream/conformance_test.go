package jetstream

import (
	"cmp"
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/natstest"
)

// TestConformance runs the tests that every engine must pass, on three nodes.
func TestConformance(t *testing.T) {
	enginetest.Run(t, enginetest.Implementation{
		New: func(tb enginetest.TB, l enginetest.Limits) (nodes []engine.Engine) {
			s := startServer(t)
			tb.Cleanup(s.stop)
			for range 3 {
				nodes = append(nodes, openFor(tb, l, Config{Connect: s.connect}))
			}
			return nodes
		},
		Next: func(tb enginetest.TB, l enginetest.Limits, node engine.Engine) func() engine.Engine {
			next := openFor(tb, l, Config{Connect: node.(*Engine).cfg.Connect, Held: true}) // before the node is frozen
			return func() engine.Engine { return next }
		},
		End:      func(e engine.Engine) { e.(*Engine).Close() },
		RealKeys: true,
		Slow:     true,
	})
}

// TestMoveEmbedded runs the tests of Run that move nodes, with a store inside the process that moves with them: one that syncs
// from time to time, and one that syncs each message.
func TestMoveEmbedded(t *testing.T) {
	for name, always := range map[string]bool{"interval": false, "always": true} {
		t.Run(name, func(t *testing.T) { testMoveEmbedded(t, always) })
	}
}

func testMoveEmbedded(t *testing.T, always bool) {
	enginetest.RunMove(t, enginetest.Implementation{
		New: func(tb enginetest.TB, l enginetest.Limits) []engine.Engine {
			return []engine.Engine{openEmbedded(tb, l, embedded.Config{Dir: t.TempDir(), Always: always}, Config{})}
		},
		Next: func(tb enginetest.TB, l enginetest.Limits, node engine.Engine) func() engine.Engine {
			return func() engine.Engine {
				old := node.(*Engine).cfg.Store.(embeddedStore)
				fd, err := unix.Dup(int(old.Lock().Fd()))
				if err != nil {
					tb.Fatal(err)
				}
				next := openEmbedded(tb, l, embedded.Config{Dir: old.dir, Always: always, Lock: os.NewFile(uintptr(fd), "lock")}, Config{Held: true})
				if d := next.cfg.Store.(embeddedStore); d.Unclean() {
					tb.Error("the store counts as one that has lost messages")
				}
				return next
			}
		},
		End: func(e engine.Engine) {
			e.(*Engine).Close()
			if err := e.(*Engine).cfg.Store.(embeddedStore).Close(); err != nil {
				t.Error(err)
			}
		},
	})
}

// embeddedStore is an embedded store with its folder.
type embeddedStore struct {
	*embedded.Server
	dir string
}

// openEmbedded opens an engine with a store inside the process.
func openEmbedded(t enginetest.TB, l enginetest.Limits, store embedded.Config, cfg Config) *Engine {
	s := natstest.StartWith(t, store)
	if store.Always {
		cfg.Commit = s.Commit
	}
	cfg.Connect, cfg.Full, cfg.Err, cfg.SyncStream, cfg.Store = s.Connect, s.Full, s.Err, s.SyncStream, embeddedStore{s, store.Dir}
	return openFor(t, l, cfg)
}

// openFor opens an engine with the limits of a test.
func openFor(t enginetest.TB, l enginetest.Limits, cfg Config) *Engine {
	cfg.Now, cfg.MaxState, cfg.KeyWindow, cfg.Keep = l.Clock.Now, l.MaxState, l.KeyWindow, keepOf(l)
	e, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// keepOf returns the settings of all rooms for limits.
func keepOf(l enginetest.Limits) func(string) engine.Retention {
	keep := engine.Retention{Messages: max(0, cmp.Or(l.Messages, 100)), Bytes: cmp.Or(l.Bytes, 1<<20), Age: cmp.Or(l.Age, 5*time.Minute)}
	return func(string) engine.Retention { return keep }
}
