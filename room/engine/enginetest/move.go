package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room/engine"
)

// movingNode is a node that moves from engine to engine, with a subscriber of one room.
type movingNode struct {
	with *Implementation
	c    *cluster
	sub  *Exclusive
	now  atomic.Pointer[engine.Engine]
}

// moveNode makes the first node of an engine one that moves.
func moveNode(t *testing.T, with *Implementation, l Limits) *movingNode {
	t.Helper()
	n := &movingNode{with: with, c: with.start(t, l), sub: new(Exclusive)}
	first := n.c.nodes[0]
	n.now.Store(&first)
	n.engine().Subscribe("a", NoPayer, n.sub)
	n.sub.begin(t)
	return n
}

func (n *movingNode) engine() engine.Engine { return *n.now.Load() }

// freeze freezes the engine, and returns its state.
func freeze(t TB, e engine.Engine) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	if err := e.(engine.Movable).Freeze(ctx); err != nil {
		t.Fatalf("Freeze: %v", err)
	}
	var enc snapshot.Encoder
	e.(engine.Movable).Export(&enc)
	return enc.B
}

// thaw calls Thaw.
func thaw(t TB, e engine.Engine) {
	t.Helper()
	if err := e.(engine.Movable).Thaw(); err != nil {
		t.Fatalf("Thaw: %v", err)
	}
}

// move moves the node to another engine.
func (n *movingNode) move(t TB) {
	t.Helper()
	old := n.engine()
	open := n.with.Next(t, n.c.limits, old)
	state := freeze(t, old)
	got, begins := len(n.sub.Got()), len(n.sub.Begins())
	next := open()
	if err := next.(engine.Movable).Import(state); err != nil {
		t.Fatalf("Import: %v", err)
	}
	if len(n.sub.Got()) != got || len(n.sub.Begins()) != begins {
		t.Error("a frozen engine calls its subscriber")
	}
	if r, ok := next.(engine.Resumer); ok {
		r.Resume("a", NoPayer, n.sub, n.top())
	} else {
		next.Subscribe("a", NoPayer, n.sub)
	}
	thaw(t, next)
	n.c.nodes[0] = next
	n.now.Store(&next)
	old.(engine.Movable).Release()
}

// top returns the position up to which the subscriber has everything.
func (n *movingNode) top() engine.Position {
	top := n.sub.Begins()[0]
	if got := n.sub.Got(); len(got) > 0 {
		top.Offset = got[len(got)-1].Offset
	}
	return top
}

// check checks that the subscriber has got all publications, once and in order, and so does a history.
func (n *movingNode) check(t *testing.T, published int) {
	t.Helper()
	awaitCount(t, &n.sub.Recorder, published)
	if got := len(n.sub.Got()); got != published || n.sub.Overlap.Load() {
		t.Errorf("the subscriber has got %d publications of %d; calls overlap: %v", got, published, n.sub.Overlap.Load())
	}
	for _, at := range n.sub.Begins() {
		if at.Epoch != n.sub.Begins()[0].Epoch {
			t.Errorf("the subscriber has begun at %v", n.sub.Begins())
		}
	}
	checkOrder(t, n.sub.Got(), n.sub.Begins()[0].Offset)
	stored := 0
	for behind := n.sub.Begins()[0].Offset; ; {
		h := History(t, n.engine(), "a", engine.Span{Behind: behind, Limit: 500})
		if len(h.Publications) == 0 {
			break
		}
		stored += len(h.Publications)
		behind = h.Publications[len(h.Publications)-1].Offset
	}
	if stored != published {
		t.Errorf("the history has %d publications of %d", stored, published)
	}
}

// load publishes from several goroutines, each message after the one before it was acknowledged, until end is called. A message that
// is refused is published again, half of them with the key that they had: as a client does.
func (n *movingNode) load(t *testing.T, refused func(error) bool) (end func() (published int)) {
	const publishers = 4
	var wg sync.WaitGroup
	var over atomic.Bool
	var total atomic.Int64
	for i := range publishers {
		wg.Go(func() {
			for k := 0; !over.Load() && !t.Failed(); k++ {
				m := engine.Message{Op: ws.OpText, Data: fmt.Appendf(nil, "%d:%d", i, k)}
				if i%2 == 0 {
					m.Key = string(m.Data)
				}
				err := errors.New("not yet")
				for err != nil {
					again := m
					again.Data = []byte(string(m.Data))
					_, err = publish(t, n.engine(), "a", again)
					if err != nil && !refused(err) {
						t.Errorf("message %s: %v", m.Data, err)
						return
					}
				}
				total.Add(1)
				time.Sleep(100 * time.Microsecond) // otherwise a memory engine takes hundreds of thousands
			}
		})
	}
	return func() int {
		over.Store(true)
		wg.Wait()
		return int(total.Load())
	}
}

// awaitMore waits until the subscriber has got more publications.
func (n *movingNode) awaitMore(t *testing.T) { awaitCount(t, &n.sub.Recorder, len(n.sub.Got())+50) }

// heavy are limits below which nothing is forgotten.
var heavy = Limits{Messages: 1 << 30, Bytes: 1 << 40, Total: 1 << 40, Age: time.Hour, KeyWindow: time.Hour}

// testMoveUnderLoad moves a node while it publishes. What was acknowledged is delivered once and in order, and what was not was
// not stored.
func testMoveUnderLoad(t *testing.T, with Implementation) {
	n := moveNode(t, &with, heavy)
	end := n.load(t, func(err error) bool { return errors.Is(err, engine.ErrUnavailable) })
	for range 3 {
		n.awaitMore(t)
		n.move(t)
	}
	n.awaitMore(t)
	n.check(t, end())
}

// testMoveRollback lets a node go on in its old engine, before and after the new one has come up, under load.
func testMoveRollback(t *testing.T, with Implementation) {
	n := moveNode(t, &with, heavy)
	end := n.load(t, func(err error) bool { return with.Refuses && errors.Is(err, engine.ErrUnavailable) })
	for i := range 3 {
		n.awaitMore(t)
		e := n.engine()
		open := func() engine.Engine { return nil }
		if i > 0 {
			open = n.with.Next(t, n.c.limits, e)
		}
		state := freeze(t, e)
		if next := open(); next != nil {
			if err := next.(engine.Movable).Import(state); err != nil {
				t.Fatal(err)
			}
			n.with.End(next)
		}
		thaw(t, e)
	}
	n.awaitMore(t)
	n.check(t, end())
}

// testMoveState checks that keys and entries keep their promise in the next engine, and that the old one refuses everything.
func testMoveState(t *testing.T, with Implementation) {
	n := moveNode(t, &with, Limits{KeyWindow: time.Hour})
	old := n.engine()
	m := engine.Message{Op: ws.OpText, Data: []byte("0:0"), Key: "k"}
	first, err := publish(t, old, "a", m)
	if err != nil {
		t.Fatal(err)
	}
	k := engine.Key{Table: engine.TableBan, Name: "bob"}
	version, err := put(t, old, engine.Entry{Key: k, Value: []byte("v")})
	if err != nil {
		t.Fatal(err)
	}
	awaitCount(t, &n.sub.Recorder, 1)
	n.move(t)
	m.Data = []byte("0:0")
	if pos, err := publish(t, n.engine(), "a", m); pos != first || err != engine.ErrRepeated {
		t.Errorf("a repeated message is at %v, %v; want %v", pos, err, first)
	}
	if e := get(t, n.engine(), k); e.Version != version || string(e.Value) != "v" {
		t.Errorf("the entry is %+v, want the version %d", e, version)
	}
	if _, err := publish(t, old, "a", engine.Message{Op: ws.OpText, Data: []byte("lost")}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("a publication in an engine that was released: %v", err)
	}
	if _, err := put(t, old, engine.Entry{Key: k, Value: []byte("lost"), Version: engine.AnyVersion}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("a change in an engine that was released: %v", err)
	}
	n.check(t, 1)
}
