package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/internal/cluster"
)

// roster is a subscriber whose members come and go.
type roster struct {
	*recorder
	mu    sync.Mutex
	users []string
}

func (r *roster) set(users ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users = users
}

func (r *roster) Members(int) (all []engine.Author, clients int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range r.users {
		all = append(all, engine.Author{User: u, Client: u})
	}
	return all, len(all)
}

func (r *roster) Count(func(string)) (clients, users int) {
	all, n := r.Members(0)
	return len(all), n
}

// told returns the notices: "+ann" is a join, "-ann" a leave.
func (r *roster) told() string {
	r.recorder.mu.Lock()
	defer r.recorder.mu.Unlock()
	var all []string
	for _, n := range r.notes {
		all = append(all, map[bool]string{false: "+", true: "-"}[n.Left]+n.Who.User)
	}
	return strings.Join(all, " ")
}

// texts returns the data of the publications.
func (r *recorder) texts() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, p := range r.got {
		all = append(all, string(p.Data))
	}
	return strings.Join(all, " ")
}

func (r *roster) joins(e *Engine, user string) {
	e.Notify("r", engine.Notice{Who: engine.Author{User: user, Client: user}})
}

func subscribed(t *testing.T, e *Engine, users ...string) *roster {
	t.Helper()
	r := &roster{recorder: newRecorder(), users: users}
	e.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	return r
}

// frozen freezes an engine and returns its state.
func frozen(t *testing.T, e *Engine) []byte {
	t.Helper()
	if err := e.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	var enc snapshot.Encoder
	e.Export(&enc)
	return enc.B
}

// TestMoveInACluster moves a node to another process while another node publishes, tells of joins, asks, and sends control
// messages. The other node notices nothing, and the members of the node miss nothing.
func TestMoveInACluster(t *testing.T) {
	s := startServer(t)
	cfg := Config{Keep: always, nodes: cluster.Config{Beat: 20 * time.Millisecond, Patience: wstest.Patience}}
	held := cfg
	held.Held = true
	log := new(wstest.Log)
	old := open(t, s, cfg)
	noisy := cfg
	noisy.Log = slog.New(slog.NewTextHandler(log, nil))
	other := open(t, s, noisy)
	was, is := &hub{name: "node"}, &hub{name: "node"}
	old.AddNode(was)
	here, there := subscribed(t, old, "ann"), subscribed(t, other, "bob")
	if all, err := membersOf(t, old, "r", 10); err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	here.joins(old, "ann")
	publish(t, other, "r", text("1"))
	if err := controlOf(t, other, 1); err != nil {
		t.Fatal(err)
	}
	there.wait(t, "the join of ann", func() bool { return len(there.notes) == 1 })

	next := open(t, s, held)
	if err := controlOf(t, other, 2); err != nil { // the old process applies it, and the new one hears of it
		t.Fatal(err)
	}
	var changes atomic.Int32
	old.Watch(engine.TableBan, func(_, _ engine.Entry) { changes.Add(1) })
	state := frozen(t, old)
	at, notes := here.begins[0], here.told()
	if got := here.texts(); got != "1" {
		t.Errorf("the publications before the move are %q", got)
	}
	at.Offset = here.got[0].Offset
	publish(t, other, "r", text("2"))
	ban := engine.Entry{Key: engine.Key{Table: engine.TableBan, Name: "eve"}, Value: []byte("v")}
	if err := other.put(ban); err != nil {
		t.Fatal(err)
	}
	there.set("bob", "cy")
	there.joins(other, "cy")
	there.wait(t, "the join of cy", func() bool { return len(there.notes) == 2 })
	count, control := make(chan int, 1), make(chan error, 1)
	other.Count("r", func(clients, _ int, err error) {
		if err != nil {
			t.Error(err)
		}
		count <- clients
	})
	other.SendControl(engine.ControlMessage{Kind: engine.ControlDisconnect, Code: 3}, func(err error) { control <- err })

	if err := next.Import(state); err != nil {
		t.Fatal(err)
	}
	moved := &roster{recorder: newRecorder(), users: []string{"ann"}}
	next.AddNode(is)
	next.Resume("r", budget.Owner{}, moved, at)
	moved.wait(t, "publication 2", func() bool { return len(moved.got) == 1 })
	publish(t, other, "r", text("3"))
	wstest.Eventually(t, "the new process knows the ban", func() bool { return next.state.Entry(ban.Key).Version > 0 })
	if n := changes.Load(); n != 0 {
		t.Errorf("a frozen engine tells of %d changes", n)
	}
	if len(is.applied()) > 0 || len(was.applied()) != 2 {
		t.Errorf("before the end of the old process, control messages %v and %v are applied", was.applied(), is.applied())
	}
	if err := next.Thaw(); err != nil {
		t.Fatal(err)
	}
	old.Release()
	if n := receive(t, count); n != 3 {
		t.Errorf("a count during the move is %d", n)
	}
	if err := receive(t, control); err != nil || !slices.Equal(is.applied(), []uint32{3}) {
		t.Errorf("a control message during the move: %v; the new process has applied %v", err, is.applied())
	}
	publish(t, next, "r", text("4"))
	for _, r := range []*roster{moved, there} {
		r.wait(t, "publication 4", func() bool { return strings.HasSuffix(fmt.Sprint(string(r.got[len(r.got)-1].Data)), "4") })
	}
	wstest.Eventually(t, "the join during the move is told", func() bool { return moved.told() == "+cy" })
	if here.told() != notes || here.texts() != "1" || moved.texts() != "2 3 4" || there.texts() != "1 2 3 4" || moved.begins[0] != at {
		t.Errorf("before the move: %q, %q; behind it: %q, %v; on the other node: %q", here.told(), here.texts(), moved.texts(), moved.begins, there.texts())
	}
	if err := controlOf(t, other, 4); err != nil || !slices.Equal(is.applied(), []uint32{3, 4}) {
		t.Errorf("after the move: %v, %v", err, is.applied())
	}
	if n := strings.Count(log.String(), "another node"); n != 1 {
		t.Errorf("the other node has noticed something:\n%s", log)
	}
	there.set()
	other.Close()
	wstest.Eventually(t, "the end of the other node is told", func() bool {
		told := strings.Fields(moved.told())
		slices.Sort(told)
		return strings.Join(told, " ") == "+cy -bob -cy"
	})
	if told := there.told(); told != "+ann +cy" {
		t.Errorf("the members of the other node are told %q", told)
	}
}

// TestMoveRefused checks what a node does that cannot move, and that a new process which fails leaves no trace.
func TestMoveRefused(t *testing.T) {
	s := startServer(t)
	e, other := open(t, s, Config{}), open(t, s, Config{})
	there := subscribed(t, other, "bob")
	alone := open(t, s, Config{Alone: true})
	if alone.Freeze(t.Context()) == nil {
		t.Error("a command's engine moves")
	}
	next := open(t, s, Config{Held: true})
	if next.Freeze(t.Context()) == nil {
		t.Error("a node moves before it has come")
	}
	state := frozen(t, e)
	if other.Import(state) == nil {
		t.Error("a node that lives becomes another one")
	}
	for i := range state {
		_ = next.Import(append(slices.Clone(state[:i]), ^state[i])) // never a panic
	}
	waits := make(chan outcome, 1)
	e.Publish("r", text("waits"), func(p engine.Position, err error) { waits <- outcome{p, err} })
	next.Close()
	if n := countOf(t, other, "r"); n != (counted{1, 1, nil}) { // a node that is frozen does not answer; it comes back below
		if !errors.Is(n.err, engine.ErrUnavailable) {
			t.Errorf("%+v", n)
		}
	}
	if err := e.Thaw(); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, waits); got.err != nil {
		t.Errorf("a publication that has waited: %v", got.err)
	}
	there.wait(t, "the publication", func() bool { return len(there.got) == 1 })
	if n := countOf(t, other, "r"); n != (counted{1, 1, nil}) {
		t.Errorf("after the failure: %+v", n)
	}
	if err := e.Thaw(); err != nil {
		t.Errorf("a second Thaw: %v", err)
	}
}

// TestMoveKeys checks that a process knows the keys for which the store has no space.
func TestMoveKeys(t *testing.T) {
	s := startServer(t)
	cfg := Config{MaxKeys: 2, KeyWindow: time.Hour}
	old := open(t, s, cfg)
	cfg.Held = true
	next := open(t, s, cfg)
	var first []engine.Position
	keyed := func(e *Engine, i int) outcome {
		m := text(fmt.Sprint("message ", i))
		m.Key = fmt.Sprint("key ", i)
		return publish(t, e, "r", m)
	}
	for i := range 4 {
		got := keyed(old, i)
		if got.err != nil {
			t.Fatal(got.err)
		}
		first = append(first, got.pos)
	}
	if err := next.Import(frozen(t, old)); err != nil {
		t.Fatal(err)
	}
	if err := next.Thaw(); err != nil {
		t.Fatal(err)
	}
	old.Release()
	for i, want := range first {
		if got := keyed(next, i); got.pos != want || got.err != engine.ErrRepeated {
			t.Errorf("key %d: %v, want %v", i, got, want)
		}
	}
}

// TestMoveGolden checks that a state of each version of the format is read, and is written as it was.
func TestMoveGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/move.v1.golden")
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, startServer(t), Config{Held: true})
	if err := e.Import(want); err != nil {
		t.Fatal(err)
	}
	if pos, known, err := e.unsaved.Find("r", engine.Message{Key: "k"}, time.Unix(0, 0)); pos != (engine.Position{Epoch: "e", Offset: 7}) || !known || err != engine.ErrRepeated {
		t.Errorf("the key is known: %v, %v, %v", pos, known, err)
	}
	var enc snapshot.Encoder
	if e.Export(&enc); !bytes.Equal(enc.B, want) || e.cluster.ID() != "host/ABCDEFGH" {
		t.Errorf("%x\nwant %x\nthe node is %s", enc.B, want, e.cluster.ID())
	}
}

// TestInterruption checks that an engine measures how long its store could not be used, on either way, and that one with a NATS
// outside has no interruption.
func TestInterruption(t *testing.T) {
	l := enginetest.Limits{Clock: new(enginetest.Clock)}
	e := openEmbedded(t, l, embedded.Config{Dir: t.TempDir()}, Config{})
	if d := e.Interruption(); d != 0 {
		t.Errorf("before the move: %v", d)
	}
	state := frozen(t, e)
	l.Clock.Advance(time.Second)
	next := open(t, startServer(t), Config{Held: true, Now: l.Clock.Now})
	if err := next.Import(state); err != nil || next.Interruption() != time.Second {
		t.Errorf("in the new process: %v, %v", next.Interruption(), err)
	}
	l.Clock.Advance(time.Second)
	if err := e.Thaw(); err != nil || e.Interruption() != 2*time.Second {
		t.Errorf("after a rollback: %v, %v", e.Interruption(), err)
	}
	outside := open(t, startServer(t), Config{})
	frozen(t, outside)
	if err := outside.Thaw(); err != nil || outside.Interruption() != 0 {
		t.Errorf("with a NATS outside: %v, %v", outside.Interruption(), err)
	}
}
