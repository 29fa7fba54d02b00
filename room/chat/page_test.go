package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/room"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/wire"
)

// shown is a message as the tests compare it.
func shown(m *messages.Message) string {
	text, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// folded returns all messages of a room, made from its whole history.
func (h *house) folded(name string) (all []string, offsets []uint64) {
	h.t.Helper()
	ctx := context.Background()
	got, err := messages.History(ctx, h.hub, name, engine.Span{Limit: -1})
	if err != nil {
		h.t.Fatal(err)
	}
	folded := messages.Fold(got.Publications)
	if _, err := messages.AddReactions(ctx, serverStore(h.hub), name, folded, true); err != nil {
		h.t.Fatal(err)
	}
	for _, m := range folded {
		all, offsets = append(all, shown(m)), append(offsets, m.Offset)
	}
	return all, offsets
}

// pageReply is the result of the call messages.
type pageReply struct {
	Messages []*messages.Message
	More     bool
	Next     uint64
}

func (p *person) page(data string) (res pageReply, texts []string) {
	p.h.t.Helper()
	if err := json.Unmarshal([]byte(p.must("messages", data)), &res); err != nil {
		p.h.t.Fatal(err)
	}
	for _, m := range res.Messages {
		texts = append(texts, shown(m))
	}
	return res, texts
}

// TestPagesAgainstFold checks, with random sends, edits, deletions and reactions, that each page at each
// place has what the fold of the whole history has there, and that the pages in a row have everything.
func TestPagesAgainstFold(t *testing.T) {
	enginetest.Checks(t, 40)
	for _, maxReply := range []int{0, 700} {
		h := build(t, room.Config{MaxReply: maxReply})
		people := []*person{h.come("alice"), h.come("bob")}
		rooms := 0
		rapid.Check(t, func(t *rapid.T) {
			rooms++
			name := fmt.Sprintf("room %d", rooms)
			reader := people[0]
			h.talk(t, name, people)
			reader.must("room.join", fmt.Sprintf(`{"room":%q}`, name))
			all, offsets := h.folded(name)
			if maxReply == 0 {
				reader.listedAs(t, name, all, rapid.IntRange(0, 60).Draw(t, "read"))
				for range 4 {
					limit, at := rapid.IntRange(1, 12).Draw(t, "limit"), uint64(rapid.IntRange(0, 60).Draw(t, "place"))
					i, found := slices.BinarySearch(offsets, at)
					before := all[max(0, i-limit):i]
					if res, got := reader.page(fmt.Sprintf(`{"room":%q,"limit":%d,"before":%d}`, name, limit, at)); !slices.Equal(got, before) || res.More != (i > limit) {
						t.Fatalf("%d before %d, more %v:\n%s\nwant\n%s", limit, at, res.More, strings.Join(got, "\n"), strings.Join(before, "\n"))
					}
					if found {
						i++
					}
					after := all[i:min(len(all), i+limit)]
					if res, got := reader.page(fmt.Sprintf(`{"room":%q,"limit":%d,"after":%d}`, name, limit, at)); !slices.Equal(got, after) || res.More != (i+limit < len(all)) {
						t.Fatalf("%d after %d, more %v:\n%s\nwant\n%s", limit, at, res.More, strings.Join(got, "\n"), strings.Join(after, "\n"))
					}
				}
			}
			for _, way := range []string{"before", "after"} {
				var got []string
				request := fmt.Sprintf(`{"room":%q,"limit":5}`, name)
				if way == "after" {
					request = fmt.Sprintf(`{"room":%q,"limit":5,"after":0}`, name)
				}
				for more := true; more; {
					res, texts := reader.page(request)
					if way == "before" {
						got = append(texts, got...)
					} else {
						got = append(got, texts...)
					}
					more, request = res.More, fmt.Sprintf(`{"room":%q,"limit":5,%q:%d}`, name, way, res.Next)
				}
				if !slices.Equal(got, all) {
					t.Fatalf("all by %s:\n%s\nwant\n%s", way, strings.Join(got, "\n"), strings.Join(all, "\n"))
				}
			}
			if some := offsets[:len(offsets)/2]; maxReply == 0 && len(some) > 0 {
				list, _ := json.Marshal(some)
				if _, got := reader.page(fmt.Sprintf(`{"room":%q,"offsets":%s}`, name, list)); !slices.Equal(got, all[:len(some)]) {
					t.Fatalf("at %s:\n%s\nwant\n%s", list, strings.Join(got, "\n"), strings.Join(all[:len(some)], "\n"))
				}
			}
		})
	}
}

// listedAs marks a room as read to an offset, checks its unread count and its last message in the list of
// rooms, and leaves it. all has the messages of the room.
func (p *person) listedAs(t *rapid.T, name string, all []string, read int) {
	p.must("mark", fmt.Sprintf(`{"room":%q,"read":%d}`, name, read))
	var res struct {
		Rooms []struct {
			Unread int
			Last   *messages.Message
		}
	}
	if err := json.Unmarshal([]byte(p.must("rooms", `{}`)), &res); err != nil || len(res.Rooms) != 1 {
		t.Fatalf("%v: %d rooms", err, len(res.Rooms))
	}
	unread, last := 0, ""
	for _, text := range all {
		var m messages.Message
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		if m.Offset > uint64(read) && m.Info.User != p.name && !m.Deleted {
			unread++
		}
		m.Reactions = nil
		last = shown(&m)
	}
	got := res.Rooms[0]
	if got.Unread != unread || (got.Last == nil) != (last == "") || got.Last != nil && shown(got.Last) != last {
		t.Fatalf("read to %d: %d unread, the last is %s; want %d, %s", read, got.Unread, shown(got.Last), unread, last)
	}
	p.must("room.leave", fmt.Sprintf(`{"room":%q}`, name))
}

// talk makes random calls in a room.
func (h *house) talk(t *rapid.T, name string, people []*person) {
	type sent struct {
		by     *person
		offset uint64
	}
	var all []sent
	for range rapid.IntRange(0, 40).Draw(t, "calls") {
		p := rapid.SampledFrom(people).Draw(t, "who")
		what := rapid.SampledFrom([]string{"send", "send", "edit", "delete", "react", "react", "unreact"}).Draw(t, "what")
		if what == "send" || len(all) == 0 {
			var pos sendResult
			text := strings.Repeat("x", rapid.SampledFrom([]int{1, 200}).Draw(t, "length"))
			if err := json.Unmarshal([]byte(p.must("send", fmt.Sprintf(`{"room":%q,"data":{"text":%q}}`, name, text))), &pos); err != nil {
				t.Fatal(err)
			}
			all = append(all, sent{p, pos.Offset})
			continue
		}
		m := rapid.SampledFrom(all).Draw(t, "message")
		switch about := fmt.Sprintf(`"room":%q,"offset":%d`, name, m.offset); what {
		case "edit":
			text := strings.Repeat("y", rapid.SampledFrom([]int{1, 200}).Draw(t, "length"))
			m.by.call("edit", fmt.Sprintf(`{%s,"data":{"text":%q}}`, about, text)) // fails if it is deleted
		case "delete":
			m.by.call("delete", "{"+about+"}") // fails if the room has forgotten the message
		default:
			emoji := rapid.SampledFrom([]string{"👍", "🎉"}).Draw(t, "emoji")
			p.call("react", fmt.Sprintf(`{%s,"emoji":%q,"remove":%v}`, about, emoji, what == "unreact"))
		}
	}
}

// TestPageReadsLittle checks that a page of a long history reads about as much of the log as it shows,
// and has an edit that came much later; and that the list of rooms reads about as much as is unread.
func TestPageReadsLittle(t *testing.T) {
	e := &countingHistory{Engine: memory.New(memory.Limits{MaxTotal: 1 << 30})}
	o := talkative()
	o.History = engine.Retention{Messages: 100_000, Bytes: 1 << 28, Age: time.Hour}
	h := build(t, room.Config{Engine: e, Options: policy.Patterns{{Match: "*", Options: o}}.Options})
	alice := h.come("alice")
	for range 3000 {
		h.plant("lobby", "alice")
	}
	alice.must("edit", `{"room":"lobby","offset":1500,"data":{"text":"edited"}}`)
	for _, request := range []string{`{"room":"lobby","before":1510,"limit":20}`, `{"room":"lobby","after":1490,"limit":20}`, `{"room":"lobby","offsets":[7,1500,2000]}`} {
		before := e.read.Load()
		got := alice.must("messages", request)
		if n := e.read.Load() - before; n > 50 || !strings.Contains(got, `{"offset":1500,"data":{"text":"edited"}`) {
			t.Errorf("%s reads %d publications: %s", request, n, got)
		}
	}
	bob := h.come("bob")
	bob.must("room.join", `{"room":"lobby"}`)
	bob.must("mark", `{"room":"lobby","read":2900}`)
	before := e.read.Load()
	if got := bob.must("rooms", `{}`); !strings.Contains(got, `"unread":100,`) {
		t.Errorf("rooms: %s", got)
	}
	if n := e.read.Load() - before; n > 130 {
		t.Errorf("to count 100 unread messages, the call rooms reads %d publications", n)
	}
}

// TestPagesOfEventsEnd checks that a page ends when it has read much and found nothing, and that the
// pages after it go on.
func TestPagesOfEventsEnd(t *testing.T) {
	o := talkative()
	o.History = engine.Retention{Messages: 100_000, Bytes: 1 << 28, Age: time.Hour}
	h := build(t, room.Config{Engine: memory.New(memory.Limits{MaxTotal: 1 << 30}), Options: policy.Patterns{{Match: "*", Options: o}}.Options})
	first := h.plant("lobby", "alice")
	for i := range 2 * messages.MaxWalk {
		m := engine.Message{Op: engine.OpJSON, Data: messages.NoData, CompactKey: fmt.Sprint(i), Tags: map[string]string{engine.TagEvent: "room"}}
		h.hub.Publish("lobby", m, nil)
	}
	alice, calls := h.come("alice"), 0
	res, _ := alice.page(`{"room":"lobby"}`)
	for ; len(res.Messages) == 0 && res.More; calls++ {
		res, _ = alice.page(fmt.Sprintf(`{"room":"lobby","before":%d}`, res.Next))
	}
	if len(res.Messages) != 1 || res.Messages[0].Offset != first || res.More || calls == 0 || calls > 3 {
		t.Errorf("after %d calls: %v", calls, res)
	}
}

// stopping is an engine that fails all writes of a table once it is told to.
type stopping struct {
	engine.Engine
	stopped atomic.Bool
}

func (e *stopping) Put(one engine.Entry, done func(uint64, error)) {
	if one.Table == engine.TableRevision && e.stopped.Load() {
		done(0, engine.ErrUnavailable)
		return
	}
	e.Engine.Put(one, done)
}

func (e *stopping) Publish(name string, m engine.Message, done func(engine.Position, error)) {
	e.Engine.Publish(name, m, done)
	if m.Tags[engine.TagEvent] == engine.EventEdit {
		e.stopped.Store(true)
	}
}

// Redact fails, as in a process that has ended.
func (e *stopping) Redact(name string, offsets []uint64, done func(error)) {
	if e.stopped.Load() {
		done(engine.ErrUnavailable)
		return
	}
	e.Engine.Redact(name, offsets, done)
}

// TestEditThatIsNotFinished checks an edit whose process ends after it was published: pages show it, and
// a deletion removes its text.
func TestEditThatIsNotFinished(t *testing.T) {
	e := &stopping{Engine: memory.New(memory.Limits{})}
	h := build(t, room.Config{Engine: e})
	alice := h.come("alice")
	h.plant("lobby", "alice")
	alice.refused(wire.ErrInternal, "edit", `{"room":"lobby","offset":1,"data":{"text":"unfinished"}}`)
	e.stopped.Store(false)
	for range messages.RecentEdits + 10 {
		h.plant("lobby", "bob")
	}
	if got := alice.must("messages", `{"room":"lobby","before":2}`); !strings.Contains(got, "unfinished") {
		t.Errorf("messages: %s", got)
	}
	alice.must("delete", `{"room":"lobby","offset":1}`)
	if all := strings.Join(h.texts("lobby"), " "); strings.Contains(all, "unfinished") {
		t.Errorf("the history has %s", all)
	}
	if got := alice.must("messages", `{"room":"lobby","before":2}`); !strings.Contains(got, `"data":{},`) || !strings.Contains(got, `"deleted":true`) {
		t.Errorf("messages: %s", got)
	}
}

// TestManyEditsOfAMessage checks that a revision stays small, that the text of an edit that it no longer
// names is gone, and that a deletion removes all texts and the revision.
func TestManyEditsOfAMessage(t *testing.T) {
	e := memory.New(memory.Limits{})
	h := build(t, room.Config{Engine: e})
	alice := h.come("alice")
	h.plant("lobby", "alice")
	for i := range messages.MaxEdits + 6 {
		alice.must("edit", fmt.Sprintf(`{"room":"lobby","offset":1,"data":{"text":"edit %d."}}`, i))
	}
	if used := e.Stats().State; used == 0 || used > 1024 {
		t.Errorf("the State has %d bytes", used)
	}
	all := strings.Join(h.texts("lobby"), " ")
	if strings.Contains(all, "edit 5.") || !strings.Contains(all, "edit 6.") {
		t.Errorf("the history has %s", all)
	}
	alice.must("delete", `{"room":"lobby","offset":1}`)
	if all := strings.Join(h.texts("lobby"), " "); strings.Contains(all, "text") {
		t.Errorf("the history has %s", all)
	}
	if used := e.Stats().State; used != 0 {
		t.Errorf("the State has %d bytes", used)
	}
}

// TestRevisionsOfRefusedEdits checks that refused edits leave nothing, and that revisions of messages that
// the room has forgotten are removed.
func TestRevisionsOfRefusedEdits(t *testing.T) {
	e := memory.New(memory.Limits{})
	few := talkative()
	few.History.Messages = 4
	h := build(t, room.Config{Engine: e, Options: policy.Patterns{{Match: "*", Options: few}}.Options})
	root := h.come("root", "admin")
	root.must("room.set", `{"room":"slow","slow":1000}`)
	bob := h.come("bob")
	bob.must("send", `{"room":"slow","data":{}}`)
	held := e.Stats().State
	bob.refused(wire.ErrSlowMode, "edit", `{"room":"slow","offset":2,"data":{}}`)
	if used := e.Stats().State; used != held {
		t.Errorf("refused edits take %d bytes", used-held)
	}
	for range 50 {
		offset := h.plant("other", "bob")
		bob.must("edit", fmt.Sprintf(`{"room":"other","offset":%d,"data":{"text":"x"}}`, offset))
	}
	if used := e.Stats().State - held; used > 5*400 {
		t.Errorf("the revisions of forgotten messages take %d bytes", used)
	}
}
