package chat

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"webim/room"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/wire"
)

// countingHistory is an engine that counts the publications read from histories.
type countingHistory struct {
	engine.Engine
	read atomic.Int64 // publications
}

func (e *countingHistory) History(name string, part engine.Span, done func(engine.History, error)) {
	e.Engine.History(name, part, func(h engine.History, err error) {
		e.read.Add(int64(len(h.Publications)))
		done(h, err)
	})
}

// TestListOfRoomsIsBounded checks that one page of the list of rooms reads no more than a reply may
// carry plus one room, and only the end of a room without unread messages; and that all pages
// together have the last message and the unread count of every room.
func TestListOfRoomsIsBounded(t *testing.T) {
	const rooms, each, size = 20, 100, 300
	e := &countingHistory{Engine: memory.New(memory.Limits{})}
	h := build(t, room.Config{Engine: e, MaxReply: 3 * each * size})
	alice := h.come("alice")
	text := strings.Repeat("x", size)
	for r := range rooms {
		alice.must("room.join", fmt.Sprintf(`{"room":"r%02d"}`, r))
		for i := range each - r { // and one event, of the joining
			published := make(chan error, 1)
			m := engine.Message{Op: engine.OpJSON, Data: fmt.Appendf(nil, `{"text":"%d %s"}`, i, text), From: &engine.Author{User: "bob"}}
			h.hub.Publish(fmt.Sprintf("r%02d", r), m, func(_ engine.Position, err error) { published <- err })
			if err := <-published; err != nil {
				t.Fatal(err)
			}
		}
	}
	list := func(unread bool) (pages int, most int64) {
		after := ""
		for r := 0; r < rooms; pages++ {
			before := e.read.Load()
			got := alice.must("rooms", fmt.Sprintf(`{"limit":100,"after":%q}`, after))
			most = max(most, e.read.Load()-before)
			here := strings.Count(got, `"kind":"public"`)
			if here == 0 || strings.Contains(got, `"more":true`) != (r+here < rooms) {
				t.Fatalf("behind %q: %d rooms, %.200s", after, here, got)
			}
			for range here {
				count := each - r
				want := fmt.Sprintf(`"text":"%d x`, count-1)
				if !unread {
					count = 0
				}
				if one := between(got, fmt.Sprintf(`{"room":"r%02d"`, r), `"time"`); !strings.Contains(one, want) || !strings.Contains(one, fmt.Sprintf(`"unread":%d,`, count)) {
					t.Errorf("room %d: %.200s", r, one)
				}
				after = fmt.Sprintf("r%02d", r)
				r++
			}
		}
		return pages, most
	}
	if pages, most := list(true); pages < rooms/4 || most > 4*(each+tail) {
		t.Errorf("all unread: %d pages, of which one reads %d publications", pages, most)
	}
	for r := range rooms {
		alice.must("mark", fmt.Sprintf(`{"room":"r%02d","read":1000000}`, r))
	}
	if pages, most := list(false); pages > 3 || most > rooms*tail {
		t.Errorf("all read: %d pages, of which one reads %d publications", pages, most)
	}
}

// countingState is a State that counts the entries read as lists.
type countingState struct {
	engine.Engine
	listed atomic.Int64
}

func (e *countingState) List(table, of, after string, limit int, done func([]engine.Entry, error)) {
	e.Engine.List(table, of, after, limit, func(all []engine.Entry, err error) {
		e.listed.Add(int64(len(all)))
		done(all, err)
	})
}

// TestCapsAreCounted checks that a call that must know whether a list is full counts the list and
// does not read it, whether the call succeeds or not.
func TestCapsAreCounted(t *testing.T) {
	e := &countingState{Engine: memory.New(memory.Limits{})}
	h := build(t, room.Config{Engine: e})
	alice, bob := h.come("alice"), h.come("bob")
	alice.must("send", `{"room":"lobby","data":{"text":"x"}}`)
	var message messages.Ref
	h.engine().History("lobby", engine.Span{Limit: 1}, func(got engine.History, _ error) { message = messages.RefOf(&got.Publications[0]) })
	fill := func(key func(i int) engine.Key, n int) {
		t.Helper()
		for i := range n {
			e.Put(engine.Entry{Key: key(i), Value: []byte("{}")}, func(_ uint64, err error) {
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	reactors := func(i int) engine.Key {
		return messages.ReactionID{Room: "lobby", Message: message, Emoji: []string{"👍", "🎉", "❤️"}[i%3], By: fmt.Sprint("user u", i)}.Key()
	}
	fill(reactors, messages.MaxReactors-1)
	fill(func(i int) engine.Key {
		return engine.Key{Table: engine.TableMember, Of: "lobby", Name: fmt.Sprint("u", i)}
	}, maxRoster-1)
	fill(func(i int) engine.Key { return markKey(fmt.Sprint("r", i), "alice") }, maxMarks-1)
	fill(func(i int) engine.Key {
		return engine.Key{Table: engine.TableMine, Of: "alice", Name: fmt.Sprint("r", i)}
	}, maxMine-1)
	for _, c := range []struct {
		who            *person
		method, data   string
		refusedTheNext string
	}{
		{alice, "react", `{"room":"lobby","offset":1,"emoji":"🚀"}`, `{"room":"lobby","offset":1,"emoji":"👍"}`},
		{alice, "mark", `{"room":"lobby","read":1}`, `{"room":"another","read":1}`},
		{alice, "room.join", `{"room":"lobby"}`, `{"room":"another"}`},
		{bob, "", "", `{"room":"lobby"}`},
	} {
		before := e.listed.Load()
		if c.method != "" {
			c.who.must(c.method, c.data)
			c.who.refused(wire.ErrLimitExceeded, c.method, c.refusedTheNext)
		} else {
			c.who.refused(wire.ErrLimitExceeded, "room.join", c.refusedTheNext)
		}
		// Some calls read lists up to a small bound: the users to tell of a mark, the entries to remove.
		if n := e.listed.Load() - before; n > 4*maxMarked {
			t.Errorf("%s %s reads %d entries", c.method, c.data, n)
		}
	}
}
