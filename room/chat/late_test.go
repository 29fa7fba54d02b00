package chat

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/wire"
)

// lateEngine lets a test run code just before an operation of the engine.
type lateEngine struct {
	engine.Engine
	f       atomic.Pointer[func(what string, then func())] // calls then, once, from any goroutine
	failing atomic.Bool                                    // Known fails
}

func late(f func(string, func())) *lateEngine {
	e := &lateEngine{Engine: memory.New(memory.Limits{})}
	e.set(f)
	return e
}

func (e *lateEngine) set(f func(string, func())) { e.f.Store(&f) }

func (e *lateEngine) before(what string, then func()) {
	if f := e.f.Load(); *f != nil {
		(*f)(what, then)
		return
	}
	then()
}

func (e *lateEngine) Publish(name string, m engine.Message, done func(engine.Position, error)) {
	m.Data = append([]byte(nil), m.Data...)
	e.before("publish "+m.Tags[engine.TagEvent], func() { e.Engine.Publish(name, m, done) })
}

func (e *lateEngine) Known(name string, m engine.Message, done func(engine.Position, error)) {
	if e.failing.Load() {
		done(engine.Position{}, errors.New("the engine is away"))
		return
	}
	e.before("known", func() { e.Engine.Known(name, m, done) })
}

func (e *lateEngine) History(name string, part engine.Span, done func(engine.History, error)) {
	e.before("history "+name, func() { e.Engine.History(name, part, done) })
}

func (e *lateEngine) Get(k engine.Key, done func(engine.Entry, error)) {
	e.before("get "+k.Table, func() { e.Engine.Get(k, done) })
}

func (e *lateEngine) Delete(k engine.Key, version uint64, done func(error)) {
	e.before("delete "+k.Table, func() { e.Engine.Delete(k, version, done) })
}

func (e *lateEngine) Put(one engine.Entry, done func(uint64, error)) {
	e.before("put "+one.Table, func() { e.Engine.Put(one, done) })
}

// once has f done before the first such thing, and nothing before others.
func once(what string, f func()) func(string, func()) {
	first := make(chan struct{}, 1)
	first <- struct{}{}
	return func(is string, then func()) {
		if is == what {
			select {
			case <-first:
				go func() { f(); then() }()
				return
			default:
			}
		}
		then()
	}
}

// TestBanWhileConnecting checks a ban that comes while a connection waits for a late engine.
func TestBanWhileConnecting(t *testing.T) {
	e := late(nil)
	e.set(once("history #bob", func() {
		e.Engine.Put(engine.Entry{Key: engine.Key{Table: engine.TableBan, Name: "bob"}, Value: []byte("{}")}, func(uint64, error) {})
	}))
	h := build(t, room.Config{Engine: e})
	h.start(wire.JSON, "bob").expect("disconnected 4503 banned")
}

// TestDeletionBeforeAnEdit checks a message that is deleted while its edit is being published.
func TestDeletionBeforeAnEdit(t *testing.T) {
	e := late(nil)
	h := build(t, room.Config{Engine: e})
	one, other := h.come("alice"), h.come("alice")
	one.must("send", `{"room":"lobby","data":{"text":"secret"}}`)
	e.set(once("publish edit", func() { other.must("delete", `{"room":"lobby","offset":1}`) }))
	one.refused(wire.ErrNoMessage, "edit", `{"room":"lobby","offset":1,"data":{"text":"secret, too"}}`)
	if got := strings.Join(h.texts("lobby"), " "); got != "{} {} {}" {
		t.Errorf("the history has %s", got)
	}
}

// TestStruckWhileJoining checks that a user who is removed from the roster while joining does not
// stay.
func TestStruckWhileJoining(t *testing.T) {
	e := late(nil)
	h := build(t, room.Config{Engine: e})
	h.enter("$club", "bob", "")
	bob := h.come("bob")
	e.set(once("history $club", func() {
		e.Engine.Delete(engine.Key{Table: engine.TableMember, Of: "$club", Name: "bob"}, engine.AnyVersion, func(error) {})
	}))
	bob.tryJoin("$club")
	for got := ""; got != "left $club 2000"; got = bob.next() {
	}
}

// enter puts a user on a roster.
func (h *house) enter(name, user, role string) {
	h.t.Helper()
	value, err := json.Marshal(policy.Roster{Role: role, Since: time.Now().UnixMilli()})
	if err != nil {
		h.t.Fatal(err)
	}
	h.engine().Put(engine.Entry{Key: engine.Key{Table: engine.TableMember, Of: name, Name: user}, Value: value}, func(_ uint64, err error) {
		if err != nil {
			h.t.Error(err)
		}
	})
}

// TestPrivateRoomsAreClosed checks that a private room is closed to all calls of users who are not
// in it now, even if they are on the roster.
func TestPrivateRoomsAreClosed(t *testing.T) {
	h := build(t, room.Config{})
	h.enter("$club", "alice", policy.OwnerRole)
	h.enter("$club", "bob", "")
	alice, bob, eve, root := h.come("alice"), h.come("bob"), h.come("eve"), h.come("root", "moderator")
	alice.join("$club")
	alice.must("send", `{"room":"$club","data":{"text":"x"}}`)
	calls := map[string]string{
		"send": `"data":{}`, "edit": `"offset":1,"data":{}`, "delete": `"offset":1`, "react": `"offset":1,"emoji":"👍"`, "typing": ``, "messages": ``,
		"mark": `"read":1`, "marks": ``, "members": ``, "room.invite": `"user":"eve"`, "room.set": `"title":"T"`,
		"kick": `"user":"alice"`, "ban": `"user":"alice"`, "mute": `"user":"alice"`, "sanctions": ``,
	}
	for call, fields := range calls {
		data := strings.TrimSuffix(`{"room":"$club",`+fields, ",") + "}"
		for _, p := range []*person{bob, eve, root} {
			p.refused(wire.ErrPermissionDenied, call, data)
		}
	}
	for _, p := range []*person{bob, eve, root} {
		if _, err := p.Publish(t.Context(), "$club", []byte("{}")); err == nil || !strings.HasPrefix(problem(err), "103 ") {
			t.Errorf("%s publishes: %v", p.name, err)
		}
		if _, err := p.Presence(t.Context(), "$club"); err == nil || !strings.HasPrefix(problem(err), "103 ") {
			t.Errorf("%s asks who is there: %v", p.name, err)
		}
	}
	for _, p := range []*person{eve, root} {
		p.refused(wire.ErrPermissionDenied, "room.join", `{"room":"$club"}`)
		p.refused(wire.ErrPermissionDenied, "room.info", `{"room":"$club"}`)
	}
	bob.must("room.info", `{"room":"$club"}`)
	bob.join("$club")
	bob.must("send", `{"room":"$club","data":{"text":"y"}}`)
	bob.refused(wire.ErrPermissionDenied, "room.set", `{"room":"$club","title":"T"}`)
	if got := h.texts("$club"); len(got) != 2 {
		t.Errorf("the room has %q", got)
	}
}

// readings is an engine that counts the reads of histories, and those that do not name the retention.
type readings struct {
	*memory.Engine
	all, unnamed atomic.Int64
}

func (e *readings) History(name string, part engine.Span, done func(engine.History, error)) {
	if e.all.Add(1); part.Keep == nil || *part.Keep != talkative().History {
		e.unnamed.Add(1)
	}
	e.Engine.History(name, part, done)
}

// TestCallsNameTheRetention checks that each call that reads a history names how much the room keeps.
func TestCallsNameTheRetention(t *testing.T) {
	e := &readings{Engine: memory.New(memory.Limits{})}
	alice := build(t, room.Config{Engine: e}).come("alice")
	for _, c := range [][2]string{
		{"send", `{"room":"lobby","data":{}}`}, {"edit", `{"room":"lobby","offset":1,"data":{}}`}, {"react", `{"room":"lobby","offset":1,"emoji":"👍"}`},
		{"messages", `{"room":"lobby"}`}, {"delete", `{"room":"lobby","offset":1}`},
	} {
		before := e.all.Load()
		if alice.must(c[0], c[1]); c[0] != "send" && e.all.Load() == before {
			t.Errorf("%s reads no history", c[0])
		}
	}
	if n := e.unnamed.Load(); n > 0 {
		t.Errorf("%d of %d reads do not name the retention", n, e.all.Load())
	}
}

// TestReactionsLastAsLongAsMessages checks when the entry of a reaction expires.
func TestReactionsLastAsLongAsMessages(t *testing.T) {
	for _, age := range []time.Duration{time.Hour, engine.Forever} {
		o := talkative()
		o.History.Age = age
		m := memory.New(memory.Limits{})
		alice := build(t, room.Config{Engine: m, Options: policy.Patterns{{Match: "*", Options: o}}.Options}).come("alice")
		alice.must("send", `{"room":"lobby","data":{}}`)
		alice.must("react", `{"room":"lobby","offset":1,"emoji":"👍"}`)
		m.List(engine.TableReaction, "lobby", "", 10, func(all []engine.Entry, _ error) {
			if len(all) != 1 || all[0].Expires.IsZero() != (age == engine.Forever) {
				t.Errorf("with an age of %v: %+v", age, all)
			}
		})
	}
}
