package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/jetstream/internal/state"
)

// written is the outcome of Put.
type written struct {
	version uint64
	err     error
}

func put(t testing.TB, e *Engine, entry engine.Entry) (uint64, error) {
	t.Helper()
	c := make(chan written, 1)
	e.Put(entry, func(v uint64, err error) { c <- written{v, err} })
	w := receive(t, c)
	return w.version, w.err
}

func remove(t testing.TB, e *Engine, k engine.Key, version uint64) error {
	t.Helper()
	c := make(chan error, 1)
	e.Delete(k, version, func(err error) { c <- err })
	return receive(t, c)
}

func get(t testing.TB, e *Engine, k engine.Key) (entry engine.Entry) {
	t.Helper()
	e.Get(k, func(got engine.Entry, err error) {
		if entry = got; err != nil {
			t.Fatal(err)
		}
	})
	return entry
}

// eventually waits until check returns no error.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(wstest.Patience); ; <-tick.C {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("not in time: ", err)
		}
	}
}

// seen waits until a node has this value; "" is none.
func seen(t testing.TB, e *Engine, k engine.Key, value string) {
	t.Helper()
	eventually(t, func() error {
		if got := string(get(t, e, k).Value); got != value {
			return fmt.Errorf("%v is %q, want %q", k, got, value)
		}
		return nil
	})
}

// told records the calls of a watcher.
type told struct {
	mu  sync.Mutex
	all []string
}

func (w *told) change(was, is engine.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, fmt.Sprintf("%s:%s>%s", is.Name, was.Value, is.Value))
}

func (w *told) await(t testing.TB, want string) {
	t.Helper()
	eventually(t, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if got := strings.Join(w.all, " "); got != want {
			return fmt.Errorf("the watcher was told %q, want %q", got, want)
		}
		return nil
	})
}

func TestStateOnTwoNodes(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{}), open(t, s, Config{})
	k := engine.Key{Table: engine.TableBan, Of: "a room", Name: "Łukasz *"}
	w := new(told)
	b.Watch(engine.TableBan, w.change)
	first, err := put(t, a, engine.Entry{Key: k, Value: []byte("1"), Owner: budget.User("ann")})
	if err != nil || first == 0 {
		t.Fatal(first, err)
	}
	if e := get(t, a, k); string(e.Value) != "1" || e.Version != first || e.Owner != budget.User("ann") {
		t.Errorf("after done, the node itself has %+v", e)
	}
	seen(t, b, k, "1")
	second, err := put(t, b, engine.Entry{Key: k, Value: []byte("2"), Version: first})
	if err != nil || second <= first {
		t.Fatal(second, err)
	}
	// a has a stale version, whether it has the new entry or not. After the error it has it.
	if _, err := put(t, a, engine.Entry{Key: k, Value: []byte("x"), Version: first}); err != engine.ErrVersion {
		t.Errorf("writing an old version: %v", err)
	}
	if e := get(t, a, k); e.Version != second {
		t.Errorf("after ErrVersion the node has %+v, want version %d", e, second)
	}
	if _, err := put(t, a, engine.Entry{Key: k, Value: []byte("x")}); err != engine.ErrVersion {
		t.Errorf("making an entry that is there: %v", err)
	}
	if err := remove(t, a, k, first); err != engine.ErrVersion {
		t.Errorf("removing an old version: %v", err)
	}
	if err := remove(t, a, k, second); err != nil {
		t.Error(err)
	}
	if e := get(t, a, k); e.Version != 0 {
		t.Errorf("after the removal: %+v", e)
	}
	for _, version := range []uint64{0, engine.AnyVersion} {
		if err := remove(t, a, k, version); err != nil {
			t.Errorf("removing what is not there with version %d: %v", version, err)
		}
	}
	third, err := put(t, a, engine.Entry{Key: k, Value: []byte("3")}) // the store has a marker
	if err != nil || third <= second {
		t.Fatal(third, err)
	}
	seen(t, b, k, "3")
	w.await(t, "Łukasz *:>1 Łukasz *:1>2 Łukasz *:2> Łukasz *:>3")
	fresh := open(t, s, Config{})
	if e := get(t, fresh, k); string(e.Value) != "3" || e.Version != third {
		t.Errorf("a new node has %+v", e)
	}
}

// TestStateConcurrentWriters has writers on two nodes add to one number: no addition is lost.
func TestStateConcurrentWriters(t *testing.T) {
	s := startServer(t)
	nodes := []*Engine{open(t, s, Config{}), open(t, s, Config{})}
	k := engine.Key{Table: engine.TableMember, Of: "r", Name: "n"}
	const writers, each = 4, 20
	var done sync.WaitGroup
	for i := range writers {
		e := nodes[i%2]
		done.Go(func() {
			for range each {
				for {
					is := get(t, e, k)
					_, err := put(t, e, engine.Entry{Key: k, Value: append(bytes.Clone(is.Value), 'x'), Version: is.Version})
					if err == nil {
						break
					}
					if err != engine.ErrVersion {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	done.Wait()
	for _, e := range nodes {
		seen(t, e, k, strings.Repeat("x", writers*each))
	}
}

// TestStateCoalesces writes one entry many times at once: the last value stays, each done names a version
// that has its value or a later one, and the store has got fewer messages than there were calls.
func TestStateCoalesces(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{})
	k := engine.Key{Table: engine.TableMark, Of: "ann", Name: "r"}
	const n = 2000
	c := make(chan written, n)
	for i := range n {
		e.Put(engine.Entry{Key: k, Value: fmt.Append(nil, i), Version: engine.AnyVersion}, func(v uint64, err error) { c <- written{v, err} })
	}
	last := uint64(0)
	for range n {
		w := receive(t, c)
		if w.err != nil {
			t.Fatal(w.err)
		}
		last = max(last, w.version)
	}
	if is := get(t, e, k); string(is.Value) != fmt.Sprint(n-1) || is.Version != last {
		t.Errorf("in the end %s with version %d, want %d with version %d", is.Value, is.Version, n-1, last)
	}
	stream, err := e.js.Stream(context.Background(), state.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if stored := stream.CachedInfo().State.LastSeq; stored != last || stored > n/2 {
		t.Errorf("%d messages for %d calls, the last version is %d", stored, n, last)
	}
	// A removal takes its turn behind the writes before it.
	gone := make(chan error, 1)
	for range 10 {
		e.Put(engine.Entry{Key: k, Value: []byte("x"), Version: engine.AnyVersion}, func(v uint64, err error) { c <- written{v, err} })
	}
	e.Delete(k, engine.AnyVersion, func(err error) { gone <- err })
	if err := receive(t, gone); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if w := receive(t, c); w.err != nil {
			t.Fatal(w.err)
		}
	}
	if is := get(t, e, k); is.Version != 0 {
		t.Errorf("after the removal: %+v", is)
	}
}

// TestStateExpiry moves the clock of the nodes. The server still has the entry then, so making it again
// has to get past it.
func TestStateExpiry(t *testing.T) {
	s := startServer(t)
	clock := new(enginetest.Clock)
	a, b := open(t, s, Config{Now: clock.Now}), open(t, s, Config{Now: clock.Now})
	w := new(told)
	b.Watch(engine.TableMute, w.change)
	k := engine.Key{Table: engine.TableMute, Of: "r", Name: "bob"}
	if _, err := put(t, a, engine.Entry{Key: k, Value: []byte("1"), Expires: clock.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	seen(t, b, k, "1")
	clock.Advance(time.Minute)
	for _, e := range []*Engine{a, b} {
		if is := get(t, e, k); is.Version != 0 {
			t.Errorf("an entry outlives its expiry: %+v", is)
		}
	}
	fresh := open(t, s, Config{Now: clock.Now})
	if is := get(t, fresh, k); is.Version != 0 {
		t.Errorf("a new node has an entry that has expired: %+v", is)
	}
	if _, err := put(t, a, engine.Entry{Key: k, Value: []byte("2"), Expires: clock.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	seen(t, b, k, "2")
	clock.Advance(time.Minute)
	w.await(t, "bob:>1 bob:1> bob:>2 bob:2>") // nobody reads the entry: the node removes it by itself
}

// TestStateTTL checks that the server forgets expired entries.
func TestStateTTL(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{})
	k := engine.Key{Table: engine.TableMute, Of: "r", Name: "bob"}
	if _, err := put(t, e, engine.Entry{Key: k, Value: []byte("1"), Version: engine.AnyVersion, Expires: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		stream, err := e.js.Stream(context.Background(), state.Stream)
		if err == nil && stream.CachedInfo().State.Msgs != 1 { // the marker stays
			err = errors.New("the server still has the entry")
		}
		return err
	})
}

func TestStateLimits(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{MaxState: 10_000})
	n := 0
	for ; ; n++ {
		_, err := put(t, e, engine.Entry{Key: engine.Key{Table: engine.TableMine, Of: "ann", Name: fmt.Sprint(n)}, Value: make([]byte, 100)})
		if err == engine.ErrStateFull {
			break
		}
		if err != nil || n > 100 {
			t.Fatal(n, err)
		}
	}
	if n == 0 {
		t.Fatal("nothing fits")
	}
	if _, err := put(t, e, engine.Entry{Key: engine.Key{Table: engine.TableBan, Of: "", Name: "bob"}, Value: []byte("{}")}); err != nil {
		t.Errorf("the reserve is not kept: %v", err)
	}
	long := engine.Key{Table: engine.TableMine, Of: "ann", Name: strings.Repeat("x", 4000)}
	if _, err := put(t, e, engine.Entry{Key: long, Value: []byte("1")}); err == nil {
		t.Error("a key is accepted that makes the server close the connection")
	}
	if _, err := put(t, e, engine.Entry{Key: engine.Key{Table: "t"}, Version: engine.AnyVersion}); err == nil {
		t.Error("an entry without a value is accepted")
	}
	for i := range 2 {
		if err := remove(t, e, engine.Key{Table: engine.TableMine, Of: "ann", Name: fmt.Sprint(i)}, engine.AnyVersion); err != nil {
			t.Error(err)
		}
	}
	if _, err := put(t, e, engine.Entry{Key: engine.Key{Table: engine.TableMine, Of: "ann", Name: "new"}, Value: make([]byte, 100)}); err != nil {
		t.Errorf("after a removal: %v", err)
	}
}

// TestStateReload removes an entry from the stream without a marker, as if the marker had vanished while
// this node was away. Reading the stream again finds that out, and also what the node has missed.
func TestStateReload(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{})
	w := new(told)
	e.Watch(engine.TableBan, w.change)
	key := func(name string) engine.Key { return engine.Key{Table: engine.TableBan, Of: "r", Name: name} }
	version, err := put(t, e, engine.Entry{Key: key("bob"), Value: []byte("1")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, e, engine.Entry{Key: key("eve"), Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	stream, err := e.js.Stream(context.Background(), state.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(context.Background(), version); err != nil {
		t.Fatal(err)
	}
	e.state.Lost() // as if the connection was lost
	e.wakeState()
	w.await(t, "bob:>1 eve:>1 bob:1>")
	// Watchers hear that the copy is whole a moment before the store takes writes again.
	wstest.Eventually(t, "a write after reading again", func() bool {
		_, err := put(t, e, engine.Entry{Key: key("bob"), Value: []byte("2")})
		return err == nil
	})
	seen(t, e, key("eve"), "1")
}

// TestConsumerIsLost has the server lose the consumer that feeds a node: the node makes another.
func TestConsumerIsLost(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{}), open(t, s, Config{})
	stream, err := a.js.Stream(context.Background(), state.Stream)
	if err != nil {
		t.Fatal(err)
	}
	names := stream.ConsumerNames(context.Background())
	for name := range names.Name() {
		if err := stream.DeleteConsumer(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
	k := engine.Key{Table: engine.TableRoom, Of: "r"}
	if _, err := put(t, a, engine.Entry{Key: k, Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	seen(t, b, k, "1")
}

// TestRestart stops the server and starts it again on the same folder. Meanwhile the nodes answer reads
// from their copies, and refuse writes at once. Afterwards everything is there.
func TestRestart(t *testing.T) {
	h := startServer(t)
	a, b := open(t, h, Config{Keep: always}), open(t, h, Config{Keep: always})
	r := newRecorder()
	b.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	k := engine.Key{Table: engine.TableBan, Of: "r", Name: "bob"}
	version, err := put(t, a, engine.Entry{Key: k, Value: []byte("1")})
	if err != nil {
		t.Fatal(err)
	}
	said := publish(t, a, "r", text("before"))
	r.wait(t, "the publication", func() bool { return len(r.got) == 1 })
	seen(t, b, k, "1")

	h.stop()
	eventually(t, func() error {
		if _, err := put(t, b, engine.Entry{Key: k, Value: []byte("x"), Version: engine.AnyVersion}); !errors.Is(err, engine.ErrUnavailable) {
			return fmt.Errorf("a write without a server: %v", err)
		}
		return nil
	})
	if e := get(t, b, k); e.Version != version {
		t.Errorf("a read without a server: %+v", e)
	}
	h.start()

	eventually(t, func() error {
		_, err := put(t, a, engine.Entry{Key: k, Value: []byte("2"), Version: version})
		return err
	})
	seen(t, b, k, "2")
	eventually(t, func() error { return publish(t, b, "r", text("after")).err })
	r.wait(t, "the publication after the restart", func() bool { return len(r.got) == 2 })
	fresh := open(t, h, Config{Keep: always})
	if got := history(t, fresh, "r", engine.Span{Limit: -1}); len(got.Publications) != 2 || got.Publications[0].Offset != said.pos.Offset || got.Top.Epoch != said.pos.Epoch {
		t.Errorf("the room is %+v after the restart, was at %v", got, said.pos)
	}
	if e := get(t, fresh, k); string(e.Value) != "2" {
		t.Errorf("the state has %+v after the restart", e)
	}
}

// TestShortAge publishes in a room whose publications live less long than keys are known.
func TestShortAge(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: func(string) engine.Retention {
		return engine.Retention{Messages: 10, Bytes: 1000, Age: 30 * time.Second}
	}})
	if got := publish(t, e, "r", text("x")); got.err != nil {
		t.Error(got.err)
	}
}
