package chat

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/policy"
	"webim/room/wire"
)

// syncReply is the result of the call sync.
type syncReply struct {
	Rooms []struct {
		Room, Kind      string
		Epoch           string
		Offset          uint64
		Read, Delivered uint64
		Unread          int
		Reset, Older    bool
		Messages        []*messages.Message
		Publications    []struct {
			Offset uint64
			Data   json.RawMessage
			Info   *messages.Info
			Tags   map[string]string
			Time   int64
		}
	}
	Left []string
	More bool
	Next string
}

// device has the rooms of a person, as it has learned them by the call sync.
type device struct {
	p        *person
	since    map[string]position
	messages map[string][]*messages.Message
	older    map[string]bool // the room has older messages
	resets   int
	calls    int
	longest  int // bytes of a result
}

func newDevice(p *person) *device {
	return &device{p: p, since: map[string]position{}, messages: map[string][]*messages.Message{}, older: map[string]bool{}}
}

// sync asks for everything, and applies it.
func (d *device) sync() (last syncReply) {
	d.p.h.t.Helper()
	for after, more := "", true; more; d.calls++ {
		request, err := json.Marshal(map[string]any{"since": d.since, "after": after})
		if err != nil {
			d.p.h.t.Fatal(err)
		}
		var res syncReply
		text := d.p.must("sync", string(request))
		if err := json.Unmarshal([]byte(text), &res); err != nil {
			d.p.h.t.Fatal(err)
		}
		d.longest = max(d.longest, len(text))
		for i := range res.Rooms {
			d.apply(&res, i)
		}
		for _, name := range res.Left {
			delete(d.since, name)
			delete(d.messages, name)
		}
		last = res
		after, more = res.Next, res.More
	}
	return last
}

// apply applies a room of a result.
func (d *device) apply(res *syncReply, i int) {
	r := &res.Rooms[i]
	if r.Reset {
		d.resets++
		d.messages[r.Room] = nil
	}
	if _, known := d.since[r.Room]; r.Reset || !known {
		d.older[r.Room] = r.Older
	}
	all := append(d.messages[r.Room], r.Messages...)
	for _, p := range r.Publications {
		one := engine.Publication{Message: engine.Message{Op: engine.OpJSON, Data: p.Data, Tags: p.Tags}, Offset: p.Offset, Time: time.UnixMilli(p.Time)}
		if p.Info != nil {
			one.From = &engine.Author{User: p.Info.User, Client: p.Info.Client, ConnInfo: p.Info.ConnInfo}
		}
		if messages.IsMessage(one) {
			all = append(all, messages.New(one))
			continue
		}
		for _, m := range all {
			if messages.Number(m.Offset) == p.Tags[engine.TagOf] && !m.Deleted {
				m.Apply(one)
			}
		}
	}
	d.messages[r.Room] = all
	d.since[r.Room] = position{r.Epoch, r.Offset}
}

// texts returns the messages that the device knows of a room, without reactions.
func (d *device) texts(name string) (all []string) {
	for _, m := range d.messages[name] {
		m := *m
		m.Reactions = nil
		if m.Deleted { // redacted in the log, a message has neither an id nor a reply
			m.ID, m.Reply = "", 0
		}
		all = append(all, shown(&m))
	}
	return all
}

// TestSyncAgainstFold lets a device ask for everything at random times, and checks that it then has all
// messages of all its rooms as the whole history shows them.
func TestSyncAgainstFold(t *testing.T) {
	enginetest.Checks(t, 40)
	few := talkative()
	few.History.Messages = 12
	resets := 0
	for _, maxReply := range []int{0, 2000} {
		h := build(t, room.Config{MaxReply: maxReply, Options: policy.Patterns{{Match: "*", Options: few}}.Options})
		rounds := 0
		rapid.Check(t, func(t *rapid.T) {
			rounds++
			people := []*person{h.come(fmt.Sprint("alice", rounds)), h.come(fmt.Sprint("bob", rounds))}
			defer people[0].Close()
			defer people[1].Close()
			d := newDevice(people[0])
			direct := policy.DirectRoom(people[0].name, people[1].name)
			rooms := []string{fmt.Sprint("first ", rounds), fmt.Sprint("second ", rounds), direct}
			listed := map[string]bool{}
			for range rapid.IntRange(1, 6).Draw(t, "times") {
				for range rapid.IntRange(0, 4).Draw(t, "rooms") {
					name := rapid.SampledFrom(rooms).Draw(t, "room")
					switch rapid.SampledFrom([]string{"talk", "talk", "join", "leave", "forget"}).Draw(t, "what") {
					case "talk":
						h.talk(t, name, people)
					case "join":
						people[0].must("room.join", fmt.Sprintf(`{"room":%q}`, name))
					case "leave":
						people[0].must("room.leave", fmt.Sprintf(`{"room":%q}`, name))
					case "forget":
						h.hub.RemoveHistory(name, func(err error) {
							if err != nil {
								t.Fatal(err)
							}
						})
					}
				}
				d.sync()
				listed = map[string]bool{}
				for _, name := range rooms {
					_, is, err := belongs(t.Context(), serverStore(h.hub), name, people[0].name)
					if err != nil {
						t.Fatal(err)
					}
					if listed[name] = is; !is {
						if _, knows := d.since[name]; knows {
							t.Fatalf("the device is not told that it has left %s", name)
						}
						continue
					}
					want := h.plain(name)
					got := d.texts(name)
					if d.older[name] && len(got) > 0 {
						want = want[max(0, len(want)-len(got)):]
					}
					if len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
						t.Fatalf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
			}
			resets += d.resets
			if d.longest > 4000+2*maxReply && maxReply > 0 {
				t.Fatalf("a result has %d bytes", d.longest)
			}
		})
	}
	if resets == 0 {
		t.Error("no room was reset")
	}
}

// plain returns all messages of a room without reactions.
func (h *house) plain(name string) (all []string) {
	h.t.Helper()
	got, err := messages.History(h.t.Context(), h.hub, name, engine.Span{Limit: -1})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range messages.Fold(got.Publications) {
		all = append(all, shown(m))
	}
	return all
}

// TestSyncAfterAWeek checks that one call brings a device that was away up to date: messages, changes of
// old messages, a new room, a room that it has left, and its marks.
func TestSyncAfterAWeek(t *testing.T) {
	h := build(t, room.Config{})
	alice, bob := h.come("alice"), h.come("bob")
	alice.must("room.join", `{"room":"lobby"}`)
	alice.must("room.join", `{"room":"old"}`)
	first := h.plant("lobby", "bob")
	d := newDevice(alice)
	if res := d.sync(); d.calls != 1 || len(res.Rooms) != 3 {
		t.Fatalf("a new device makes %d calls, and learns %v", d.calls, res)
	}
	bob.must("room.create", `{"title":"New","users":["alice"]}`)
	bob.must("edit", fmt.Sprintf(`{"room":"lobby","offset":%d,"data":{"text":"edited"}}`, first))
	bob.must("send", `{"room":"lobby","data":{"text":"hello"}}`)
	bob.must("send", `{"room":"#alice,bob","data":{"text":"psst"}}`)
	alice.must("room.leave", `{"room":"old"}`)
	before := h.top("#alice")
	alice.must("mark", fmt.Sprintf(`{"room":"lobby","read":%d}`, first))
	wstest.Eventually(t, "alice's other devices are told of the mark", func() bool { // the call does not wait for that
		marked := false
		h.engine().History("#alice", engine.Span{Behind: before, Limit: -1}, func(got engine.History, _ error) {
			marked = slices.ContainsFunc(got.Publications, func(p engine.Publication) bool { return p.Tags[engine.TagEvent] == eventMark })
		})
		return marked
	})
	d.calls = 0
	res := d.sync()
	var kinds []string
	for _, r := range res.Rooms {
		kinds = append(kinds, r.Kind)
		if r.Room == "lobby" && (r.Read != first || r.Delivered != first || r.Unread != 1 || r.Reset || len(r.Publications) < 2) {
			t.Errorf("the lobby: %+v", r)
		}
	}
	slices.Sort(kinds)
	if want := []string{"direct", "personal", "private", "public"}; d.calls != 1 || !slices.Equal(kinds, want) || !slices.Equal(res.Left, []string{"old"}) {
		t.Errorf("%d calls, rooms %v, left %v", d.calls, kinds, res.Left)
	}
	for _, name := range slices.Sorted(maps.Keys(d.since)) {
		if got, want := d.texts(name), h.plain(name); !slices.Equal(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	again := d.sync()
	for _, r := range again.Rooms {
		if len(r.Publications)+len(r.Messages) > 0 || r.Reset {
			t.Errorf("nothing has changed, and %+v", r)
		}
	}
}

// TestSyncNeedsRights checks that the call shows nothing of a room that the caller may not read, and
// refuses wrong requests.
func TestSyncNeedsRights(t *testing.T) {
	h := build(t, room.Config{Options: talkRooms.Options})
	alice := h.come("alice")
	h.plant("news", "zoe")
	h.enter("$club", "bob", "")
	h.plant("$club", "bob")
	alice.call("room.join", `{"room":"news"}`)
	got := alice.must("sync", `{"since":{"news":{"epoch":"","offset":0},"$club":{"epoch":"","offset":0},"closed":{"epoch":"","offset":0}}}`)
	if strings.Contains(got, "planted") {
		t.Errorf("alice gets %s", got)
	}
	if !strings.Contains(got, `"left":["$club","closed"]`) {
		t.Errorf("alice has left %s", got)
	}
	h.come("").refused(wire.ErrUnauthorized, "sync", `{}`)
	for _, data := range []string{`{"since":{"":{"epoch":"","offset":0}}}`, `{"since":{"lobby":{"offset":-1}}}`, `{"limit":0}`, `{"limit":201}`} {
		alice.refused(wire.ErrBadRequest, "sync", data)
	}
	many := map[string]position{}
	for i := range maxSince + 1 {
		many[fmt.Sprint("room ", i)] = position{}
	}
	data, err := json.Marshal(map[string]any{"since": many})
	if err != nil {
		t.Fatal(err)
	}
	alice.refused(wire.ErrBadRequest, "sync", string(data))
}

// TestSyncResets checks that a device is told when it has missed publications that the room has
// forgotten, and when the room has begun a new epoch.
func TestSyncResets(t *testing.T) {
	few := talkative()
	few.History.Messages = 3
	h := build(t, room.Config{Options: policy.Patterns{{Match: "*", Options: few}}.Options})
	alice := h.come("alice")
	alice.must("room.join", `{"room":"lobby"}`)
	d := newDevice(alice)
	for i, step := range []struct {
		sent, resets, has int
		forget            bool
	}{{2, 0, 2, false}, {3, 0, 5, false}, {4, 1, 3, false}, {0, 2, 0, true}, {1, 2, 1, false}, {1, 3, 1, true}} {
		if step.forget {
			h.hub.RemoveHistory("lobby", func(err error) {
				if err != nil {
					t.Fatal(err)
				}
			})
		}
		for range step.sent {
			h.plant("lobby", "bob")
		}
		d.sync()
		if got := len(d.messages["lobby"]); d.resets != step.resets || got != step.has {
			t.Errorf("step %d: %d resets, %d messages", i, d.resets, got)
		}
	}
}

// TestSyncFitsIntoReplies checks that no result has much more than a reply may, and that a device that
// has missed more gets all of it in several.
func TestSyncFitsIntoReplies(t *testing.T) {
	const maxReply, rooms, said, long = 4096, 5, 20, 1000
	h := build(t, room.Config{MaxReply: maxReply})
	alice, bob := h.come("alice"), h.come("bob")
	for r := range rooms {
		alice.must("room.join", fmt.Sprintf(`{"room":"r%d"}`, r))
	}
	d := newDevice(alice)
	d.sync()
	for i := range rooms * said {
		bob.must("send", fmt.Sprintf(`{"room":"r%d","data":{"text":%q}}`, i%rooms, strings.Repeat("x", long)))
	}
	d.calls = 0
	d.sync()
	if d.longest > 2*maxReply+long || d.calls < rooms*said*long/maxReply {
		t.Errorf("in %d calls, the longest result has %d bytes", d.calls, d.longest)
	}
	for r := range rooms {
		name := fmt.Sprint("r", r)
		if got, want := d.texts(name), h.plain(name); !slices.Equal(got, want) {
			t.Errorf("%s has %d messages, want %d", name, len(got), len(want))
		}
	}
}
