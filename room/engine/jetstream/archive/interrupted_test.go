package archive_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	natsjs "github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/archive"
	"webim/room/engine/jetstream/internal/erasures"
	"webim/room/engine/jetstream/internal/streams"
)

// dying is a context that ends when its user has looked at it so many times: the user dies at this step.
type dying struct {
	context.Context
	mu   sync.Mutex
	left int
	over chan struct{}
}

func diesAfter(ctx context.Context, steps int) *dying {
	return &dying{Context: ctx, left: steps, over: make(chan struct{})}
}

func (d *dying) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left == 0 {
		close(d.over)
	}
	return d.over
}

func (d *dying) Err() error {
	select {
	case <-d.over:
		return context.Canceled
	default:
		return d.Context.Err()
	}
}

// storeWithRemovals returns a store in which a message and the history of a room were removed after the backup was made. Its
// engine is closed.
func storeWithRemovals(t *testing.T) (s *store, backup string) {
	t.Helper()
	s = openStore(t, filepath.Join(t.TempDir(), "store"))
	s.say("a", "ann", "1")
	deleted := s.say("a", "ann", "2").Offset
	s.say("b", "ann", "3")
	s.say("c", "ann", "4")
	backup = filepath.Join(t.TempDir(), "backup")
	if err := s.backup(backup, ""); err != nil {
		t.Fatal(err)
	}
	s.wait(func(done func(error)) { s.Redact("a", []uint64{deleted}, done) })
	s.wait(func(done func(error)) { s.RemoveHistory("b", done) })
	s.Engine.Close()
	return s, backup
}

// TestInterruptedRestore lets a restore of one store die again and again, some steps later each time, until it ends: with
// WEBIM_LONG=1 one step later, otherwise some, and not at the same steps in each run. The removals since the backup are noted in
// the store before anything is replaced, so none is lost.
func TestInterruptedRestore(t *testing.T) {
	s, backup := storeWithRemovals(t)
	by := 9 // odd, so that the two ways to die take turns
	if wstest.Long() {
		by = 1
	}
	began, step := false, rand.IntN(by)
	t.Logf("dies at step %d first", step)
	for ended := false; !ended; step += by {
		e := s.engine(true) // as the command does; the store may have no State by now
		removals, err := e.Removals()
		e.Close()
		if err != nil {
			t.Fatal(err)
		}
		err = s.with("", func(c archive.Config) error {
			r, err := archive.Restore(diesAfter(t.Context(), step+1), c, backup, removals)
			if err != nil {
				return err
			}
			e := s.engine(true)
			defer e.Close()
			if err := e.Apply(r.Removals[:1]); err != nil || step%2 == 0 { // it dies in the middle, every other time
				return errors.Join(err, context.Canceled)
			}
			if err := e.Apply(r.Removals); err != nil {
				return err
			}
			return archive.End(t.Context(), c)
		})
		if ended = err == nil; !ended && !errors.Is(err, context.Canceled) {
			t.Fatalf("step %d: %v", step, err)
		}
		node, err := jetstream.Open(t.Context(), s.config(false))
		switch refused := err != nil && strings.Contains(err.Error(), "has not ended"); {
		case err != nil && (!refused || ended):
			t.Fatalf("step %d, a node: %v", step, err)
		case refused:
			began = true
		case began && !ended:
			t.Fatalf("step %d: a node can use a store that is being restored", step)
		default:
			s.Engine = node
			s.want("a", "1 -")
			s.want("b", "")
			s.want("c", "4")
			node.Close()
		}
	}
	if t.Logf("%d steps", step); step < 20 {
		t.Error("so few steps prove nothing")
	}
	nc, err := s.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), "REMOVALS"); !errors.Is(err, natsjs.ErrStreamNotFound) {
		t.Errorf("the note of the removals after the restore: %v", err)
	}
}

// TestRestoreBegunByAnOlderWebim checks that the removals in the State count if a restore has begun that has noted none, and has
// replaced nothing yet.
func TestRestoreBegunByAnOlderWebim(t *testing.T) {
	s, backup := storeWithRemovals(t)
	nc, err := s.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	erased, err := js.Stream(t.Context(), erasures.Stream)
	if err == nil {
		o := &streams.Opener{JS: js, Log: slog.New(slog.DiscardHandler), Replicas: 1, Fixed: true}
		err = o.SetNote(t.Context(), erased, "webim-restoring", "yes")
	}
	if err != nil {
		t.Fatal(err)
	}
	if node, err := jetstream.Open(t.Context(), s.config(false)); err == nil {
		node.Close()
		t.Error("a node can use a store that is being restored")
	}
	s.Engine = s.engine(true)
	s.restore(backup, "")
	s.want("a", "1 -")
	s.want("b", "")
}
