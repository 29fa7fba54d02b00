package memory

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll/snapshot"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
)

var _ engine.Movable = (*Engine)(nil)

// moved returns an engine that has the state of another one, and a clock of its own with the same time.
func moved(t *testing.T, m *Engine, l Limits, passed time.Duration) (*Engine, *enginetest.Clock) {
	t.Helper()
	var e snapshot.Encoder
	m.Export(&e)
	next, clock := newTestMemory(l)
	next.started = next.started.Add(-time.Hour) // it has another zero
	clock.Advance(passed)
	if err := next.Import(e.B); err != nil {
		t.Fatal(err)
	}
	return next, clock
}

func publishAs(t *testing.T, m *Engine, room string, msg engine.Message) (pos engine.Position, err error) {
	t.Helper()
	m.Publish(room, msg, func(p engine.Position, failed error) { pos, err = p, failed })
	return pos, err
}

// TestMove checks that an engine in another process goes on where the old one has stopped: with its histories, epochs, keys
// and entries, and with its limits.
func TestMove(t *testing.T) {
	l := Limits{MaxAge: time.Minute, KeyWindow: time.Minute, MaxMessages: 50}
	m, clock := newTestMemory(l)
	ann := budget.User("ann")
	m.Subscribe("live", ann, new(enginetest.Recorder))
	for i := range 30 {
		msg := engine.Message{Op: ws.OpText, Data: fmt.Append(nil, "message ", i), Payer: ann, From: &engine.Author{User: "ann", Client: "c"}, Tags: map[string]string{"a": "b"}}
		if i%7 == 0 {
			msg.CompactKey = "key"
		}
		for _, room := range []string{"live", "left"} {
			if _, err := publishAs(t, m, room, msg); err != nil {
				t.Fatal(err)
			}
		}
		clock.Advance(time.Second)
	}
	keyed := engine.Message{Op: ws.OpText, Data: []byte("once"), Key: "ann 1", Payer: ann}
	first, _ := publishAs(t, m, "live", keyed)
	m.Subscribe("quiet", ann, new(enginetest.Recorder))
	var version uint64
	m.Put(engine.Entry{Key: engine.Key{Table: engine.TableBan, Name: "bob"}, Value: []byte("banned"), Expires: clock.Now().Add(time.Minute), Owner: ann}, func(v uint64, _ error) { version = v })

	all := engine.Span{Limit: -1, Places: true}
	next, later := moved(t, m, l, 30*time.Second)
	for _, room := range []string{"live", "left", "quiet", "unknown"} {
		if got, want := enginetest.History(t, next, room, all), enginetest.History(t, m, room, all); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v\nwant %+v", room, got, want)
		}
	}
	sub := new(enginetest.Recorder)
	next.Subscribe("live", ann, sub)
	next.Subscribe("quiet", ann, new(enginetest.Recorder))
	if got, want := next.Stats(), m.Stats(); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
	if pos, err := publishAs(t, next, "live", keyed); pos != first || !errors.Is(err, engine.ErrRepeated) {
		t.Errorf("a repeated message: %v, %v; want %v", pos, err, first)
	}
	if pos, err := publishAs(t, next, "live", engine.Message{Op: ws.OpText, Data: []byte("next")}); err != nil || pos.Epoch != first.Epoch || pos.Offset != first.Offset+1 {
		t.Errorf("the next message: %v, %v; the last was %v", pos, err, first)
	}
	k := engine.Key{Table: engine.TableBan, Name: "bob"}
	next.Get(k, func(e engine.Entry, _ error) {
		if e.Version != version || string(e.Value) != "banned" || e.Owner != ann {
			t.Errorf("the entry is %+v", e)
		}
	})
	next.Put(engine.Entry{Key: k, Value: []byte("x"), Version: version}, func(v uint64, err error) {
		if err != nil || v <= version {
			t.Errorf("a write with the version %d: %d, %v", version, v, err)
		}
	})
	later.Advance(2 * time.Minute)
	next.Expire()
	if h := enginetest.History(t, next, "left", all); len(h.Publications) != 0 || h.Top.Epoch != "" {
		t.Errorf("after its time a room without members has %+v", h)
	}
	if _, err := publishAs(t, next, "live", keyed); err != nil {
		t.Errorf("after the window of keys: %v", err)
	}
}

// TestImportGarbage checks that no change of a byte makes Import panic.
func TestImportGarbage(t *testing.T) {
	m, _ := newTestMemory(Limits{})
	enginetest.Publish(t, m, "room", []byte("data"))
	enginetest.Announce(t, m, "room", "key", "event")
	m.Put(engine.Entry{Key: engine.Key{Table: engine.TableBan, Name: "bob"}, Value: []byte("v")}, func(uint64, error) {})
	publishAs(t, m, "room", engine.Message{Op: ws.OpText, Data: []byte("x"), Key: "k"})
	var e snapshot.Encoder
	m.Export(&e)
	refused := 0
	for i := range e.B {
		for _, bad := range [][]byte{e.B[:i], append(bytes.Clone(e.B[:i]), append([]byte{e.B[i] ^ 0x81}, e.B[i+1:]...)...)} {
			next, _ := newTestMemory(Limits{})
			if next.Import(bad) != nil {
				refused++
			}
			next.Expire()
		}
	}
	if refused < len(e.B)/4 {
		t.Errorf("only %d changes of %d bytes were noticed", refused, len(e.B))
	}
}
