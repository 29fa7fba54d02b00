package enginetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
)

// testErase checks that erasing a user redacts what the user has said so far, in all rooms and on all
// nodes, that subscribers of these rooms learn it, and that the tombstone says when it was done.
func testErase(t *testing.T, with Implementation) {
	c := with.start(t, Limits{})
	rooms := []string{"a", "b", "without", "before", "bob's"}
	say(t, c.node(0), "before", "ann", "0") // nobody is there who gets it, but members may have read it
	say(t, c.node(0), "bob's", "bob", "0")
	var seen []*Recorder
	for i, name := range rooms {
		r := &Recorder{}
		c.node(i).Subscribe(name, budget.Owner{}, r)
		r.begin(t)
		seen = append(seen, r)
	}
	say(t, c.node(0), "a", "ann", "1")
	say(t, c.node(0), "a", "bob", "2")
	say(t, c.node(0), "b", "ann", "3")
	say(t, c.node(0), "without", "bob", "4")
	for i, n := range []int{2, 1, 1, 0, 0} {
		eventually(t, func() error {
			if got := len(seen[i].Got()); got != n {
				return fmt.Errorf("%d publications in %s", got, rooms[i])
			}
			return nil
		})
	}
	before := c.clock.Now()
	erase(t, c.node(1), "ann")
	say(t, c.node(1), "a", "ann", "5")
	for i, e := range c.nodes {
		for j, want := range []string{"- 2 5", "-", "4", "-", "0"} {
			now := func() error { return checkErased(t, e, rooms[j], want) }
			if i == 1 && j > 0 {
				if err := now(); err != nil { // the node that has erased
					t.Error(err)
				}
			}
			eventually(t, now)
		}
	}
	for i, want := range [][]string{{"ann"}, {"ann"}, nil, {"ann"}, nil} {
		eventually(t, func() error {
			if got := seen[i].Users(); !slices.Equal(got, want) {
				return fmt.Errorf("%s: Erased was called for %v", rooms[i], got)
			}
			return nil
		})
	}
	checkTombstone(t, c.node(1), "ann", before, c.clock.Now())
}

// say publishes a text of a user.
func say(t *testing.T, e engine.Engine, room, user, text string) {
	t.Helper()
	m := engine.Message{Op: ws.OpText, Data: []byte(text), From: &engine.Author{User: user, Client: "1", ConnInfo: []byte(`{"name":1}`)}}
	if _, err := publish(t, e, room, m); err != nil {
		t.Fatal(err)
	}
}

// checkErased compares the history of a room with the wanted texts; - stands for one that ann has said before she was
// erased. Nothing of it may be left but the author.
func checkErased(t *testing.T, e engine.Engine, room, want string) error {
	var got []string
	for _, p := range History(t, e, room, engine.Span{Limit: -1}).Publications {
		if !p.Redacted() {
			got = append(got, string(p.Data))
			continue
		}
		got = append(got, "-")
		if string(p.Data) != "{}" || p.From == nil || p.From.User != "ann" || p.From.ConnInfo != nil {
			return fmt.Errorf("erased: %+v from %+v", p, p.From)
		}
	}
	if s := strings.Join(got, " "); s != want {
		return fmt.Errorf("%s: %s, want %s", room, s, want)
	}
	return nil
}

// checkTombstone checks that a node knows that a user was erased between two times.
func checkTombstone(t *testing.T, e engine.Engine, user string, from, until time.Time) {
	t.Helper()
	var tombstone engine.Entry
	call(t, "Get", func(done func()) {
		e.Get(engine.Key{Table: engine.TableErased, Of: user}, func(e engine.Entry, err error) { tombstone = e; done() })
	})
	if at := engine.ErasedAt(tombstone.Value); at.Before(from) || at.After(until) {
		t.Errorf("the tombstone says %v", at)
	}
}

// erase erases a user.
func erase(t *testing.T, e engine.Engine, user string) {
	t.Helper()
	eraser, can := e.(engine.Eraser)
	if !can {
		t.Fatal("the engine is no engine.Eraser")
	}
	call(t, "Erase", func(done func()) {
		eraser.Erase(user, func(err error) {
			if err != nil {
				t.Error(err)
			}
			done()
		})
	})
}
