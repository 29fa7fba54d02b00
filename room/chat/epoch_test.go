package chat

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"webim/room"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/natstest"
	"webim/room/engine/memory"
)

// TestNewEpoch lets all rooms begin a new epoch, as after a power cut or when a backup was restored. The messages
// that are left have their edits and reactions, a deleted one stays deleted, and the marks stay.
func TestNewEpoch(t *testing.T) {
	s := natstest.Start(t, t.TempDir())
	serve := func(unclean bool) *house {
		e, err := jetstream.Open(t.Context(), jetstream.Config{Connect: s.Connect, Unclean: unclean, Log: slog.New(slog.DiscardHandler),
			Keep: func(string) engine.Retention { return talkative().History }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return build(t, room.Config{Engine: e})
	}
	before := serve(false)
	alice, bob := before.come("alice"), before.come("bob")
	alice.must("room.join", `{"room":"lobby"}`)
	edited, deleted := before.plant("lobby", "alice"), before.plant("lobby", "alice")
	bob.must("react", fmt.Sprintf(`{"room":"lobby","offset":%d,"emoji":"👍"}`, edited))
	read := before.plant("lobby", "bob")
	alice.must("mark", fmt.Sprintf(`{"room":"lobby","read":%d}`, read))
	before.plant("lobby", "bob")
	for i := range 3 {
		alice.must("edit", fmt.Sprintf(`{"room":"lobby","offset":%d,"data":{"text":"edit %d"}}`, edited, i))
	}
	alice.must("delete", fmt.Sprintf(`{"room":"lobby","offset":%d}`, deleted))
	was, _ := before.folded("lobby")

	after := serve(true)
	alice, bob = after.come("alice"), after.come("bob")
	is, _ := after.folded("lobby")
	if epoch(after) == epoch(before) || len(was) != 4 {
		t.Fatalf("the epoch is %s, %d messages: the test proves nothing", epoch(after), len(was))
	}
	_, page := alice.page(`{"room":"lobby"}`)
	first, _ := alice.page(fmt.Sprintf(`{"room":"lobby","before":%d}`, deleted)) // the edits are elsewhere
	for i, got := range [][]string{is, page} {
		if strings.Join(got, "\n") != strings.Join(was, "\n") {
			t.Errorf("%d: the messages are\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(was, "\n"))
		}
	}
	if got := shown(first.Messages[0]); got != was[0] || !strings.Contains(got, "edit 2") || !strings.Contains(got, `"users":["bob"],"count":1`) {
		t.Errorf("the first message is %s, want %s", got, was[0])
	}
	if got := alice.must("rooms", `{}`); !strings.Contains(got, fmt.Sprintf(`"unread":1,"read":%d`, read)) {
		t.Errorf("rooms: %s", got)
	}
	if got, want := bob.must("marks", `{"room":"lobby"}`), fmt.Sprintf(`{"user":"alice","read":%d,"delivered":%d}`, read, read); !strings.Contains(got, want) {
		t.Errorf("marks: %s", got)
	}
	bob.must("react", fmt.Sprintf(`{"room":"lobby","offset":%d,"emoji":"👍"}`, edited)) // it is there
	alice.must("edit", fmt.Sprintf(`{"room":"lobby","offset":%d,"data":{"text":"edit 3"}}`, edited))
	first, _ = alice.page(fmt.Sprintf(`{"room":"lobby","before":%d}`, deleted))
	if got := shown(first.Messages[0]); !strings.Contains(got, "edit 3") || !strings.Contains(got, `"count":1`) {
		t.Errorf("then the first message is %s", got)
	}
	bob.must("react", fmt.Sprintf(`{"room":"lobby","offset":%d,"emoji":"👍","remove":true}`, edited))
	alice.must("delete", fmt.Sprintf(`{"room":"lobby","offset":%d}`, edited))
	if all := strings.Join(after.texts("lobby"), " "); strings.Contains(all, "edit ") {
		t.Errorf("the history still has %s", all)
	}
}

// epoch returns the epoch of the lobby.
func epoch(h *house) (epoch string) {
	h.engine().History("lobby", engine.Span{}, func(got engine.History, _ error) { epoch = got.Top.Epoch })
	return epoch
}

// cutting is an engine whose log can lose its end. Its State loses nothing.
type cutting struct {
	engine.Engine
	mu  sync.Mutex
	log engine.Engine
}

func (c *cutting) now() engine.Engine {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log
}

func (c *cutting) Publish(name string, m engine.Message, done func(engine.Position, error)) {
	c.now().Publish(name, m, done)
}

func (c *cutting) History(name string, part engine.Span, done func(engine.History, error)) {
	c.now().History(name, part, done)
}

func (c *cutting) Redact(name string, offsets []uint64, done func(error)) {
	c.now().Redact(name, offsets, done)
}

// cut begins a new epoch without any message.
func (c *cutting) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = memory.New(memory.Limits{})
}

// TestLostMessages gives the offsets of lost messages to others: these have neither the reactions nor the edits nor
// the marks of the lost ones, and no text of them is removed with a lost edit. The entries of lost messages go.
func TestLostMessages(t *testing.T) {
	e := &cutting{Engine: memory.New(memory.Limits{}), log: memory.New(memory.Limits{})}
	h := build(t, room.Config{Engine: e})
	alice, bob := h.come("alice"), h.come("bob")
	alice.must("room.join", `{"room":"lobby"}`)
	talk := func() { // messages 1 and 2, the reaction 3, and the edits 4 and 5
		for range 2 {
			h.plant("lobby", "alice")
		}
		bob.must("react", `{"room":"lobby","offset":1,"emoji":"👍"}`)
		for _, offset := range []int{1, 2} {
			alice.must("edit", fmt.Sprintf(`{"room":"lobby","offset":%d,"data":{"text":"edited"}}`, offset))
		}
		bob.must("mark", `{"room":"lobby","read":2}`)
		alice.must("mark", `{"room":"lobby","read":5}`)
	}
	e.cut() // without the event of alice's joining
	talk()
	e.cut()
	for range 6 {
		h.plant("lobby", "bob")
	}
	if _, page := alice.page(`{"room":"lobby"}`); len(page) != 6 || strings.Contains(fmt.Sprint(page), "edited") || strings.Contains(fmt.Sprint(page), "👍") {
		t.Errorf("the messages are %s", page)
	}
	if got := alice.must("rooms", `{}`); !strings.Contains(got, `"unread":6,"read":0`) {
		t.Errorf("rooms: %s", got)
	}
	bob.must("edit", `{"room":"lobby","offset":2,"data":{"text":"new"}}`)
	bob.must("delete", `{"room":"lobby","offset":2}`) // 5 was a lost edit of a lost message at that offset
	if _, page := alice.page(`{"room":"lobby"}`); strings.Count(fmt.Sprint(page), `"deleted":true`) != 1 {
		t.Errorf("after the deletion, the messages are %s", page)
	}
	alice.must("react", `{"room":"lobby","offset":3,"emoji":"👍"}`)
	bob.must("edit", `{"room":"lobby","offset":4,"data":{"text":"new"}}`)
	for table, want := range map[string]int{engine.TableReaction: 1, engine.TableRevision: 1} {
		n := 0
		h.hub.Engine().Watch(table, func(_, is engine.Entry) { n++ })()
		if n != want {
			t.Errorf("%d entries of %s are left, want %d", n, table, want)
		}
	}
}

// TestLostEdit loses the newest edits of a message, whose offsets others have got: the message has the newest edit
// that is left, and the deletion of the message removes nothing of others.
func TestLostEdit(t *testing.T) {
	h := build(t, room.Config{})
	alice := h.come("alice")
	h.plant("lobby", "alice")
	for i := range 2 {
		alice.must("edit", fmt.Sprintf(`{"room":"lobby","offset":1,"data":{"text":"edit %d"}}`, i))
	}
	for range messages.RecentEdits + 10 {
		h.plant("lobby", "bob")
	}
	var all []engine.Entry
	h.hub.Engine().Watch(engine.TableRevision, func(_, is engine.Entry) { all = append(all, is) })()
	if len(all) != 1 {
		t.Fatalf("%d revisions", len(all))
	}
	all[0].Value = []byte(`{"edits":[2,3,4,5000]}`)
	h.engine().Put(all[0], func(_ uint64, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if got, _ := alice.page(`{"room":"lobby","before":2}`); !strings.Contains(shown(got.Messages[0]), "edit 1") {
		t.Errorf("the message is %s", shown(got.Messages[0]))
	}
	alice.must("delete", `{"room":"lobby","offset":1}`)
	if got, _ := alice.page(`{"room":"lobby","offsets":[1,4]}`); !got.Messages[0].Deleted || got.Messages[1].Deleted {
		t.Errorf("after the deletion: %s, %s", shown(got.Messages[0]), shown(got.Messages[1]))
	}
	if texts := strings.Join(h.texts("lobby"), " "); strings.Contains(texts, "edit ") {
		t.Error("the history has the text of an edit")
	}
}
