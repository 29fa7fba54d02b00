package chat

import (
	"fmt"
	"sync/atomic"
	"testing"

	"webim/room"
	"webim/room/wire"
)

// countingState counts the entries that are read as lists.
type countingState struct {
	room.Engine
	listed atomic.Int64
}

func (e *countingState) List(table, of, after string, limit int, done func([]room.Entry, error)) {
	e.Engine.List(table, of, after, limit, func(all []room.Entry, err error) {
		e.listed.Add(int64(len(all)))
		done(all, err)
	})
}

// TestCapsAreCounted: a call that has to know whether a list is full counts it and does
// not read it, whether the call is refused or not.
func TestCapsAreCounted(t *testing.T) {
	e := &countingState{Engine: room.NewMemory(room.Limits{})}
	h := build(t, room.Config{Engine: e}, Config{})
	alice, bob := h.come("alice"), h.come("bob")
	alice.must("send", `{"room":"lobby","data":{"text":"x"}}`)
	epoch := ""
	h.hub.Engine().History("lobby", room.Span{}, func(got room.History, _ error) { epoch = got.Top.Epoch })
	fill := func(key func(i int) room.Key, n int) {
		t.Helper()
		for i := range n {
			e.Put(room.Entry{Key: key(i), Value: []byte("{}")}, func(_ uint64, err error) {
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	reactors := func(i int) room.Key {
		return reactionKey("lobby", epoch, 1, []string{"👍", "🎉", "❤️"}[i%3], fmt.Sprint("user u", i))
	}
	fill(reactors, maxReactors-1)
	fill(func(i int) room.Key { return room.Key{Table: room.TableMember, Of: "lobby", Name: fmt.Sprint("u", i)} }, maxRoster-1)
	fill(func(i int) room.Key { return markKey(fmt.Sprint("r", i), "alice") }, maxMarks-1)
	fill(func(i int) room.Key { return room.Key{Table: room.TableMine, Of: "alice", Name: fmt.Sprint("r", i)} }, maxMine-1)
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
		// Some lists are read up to a small bound: who is told of a mark, what can be forgotten.
		if n := e.listed.Load() - before; n > 4*maxMarked {
			t.Errorf("%s %s reads %d entries", c.method, c.data, n)
		}
	}
}
