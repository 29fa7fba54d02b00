package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/wire"
)

// create makes a private room and returns its name.
func (p *person) create(title string, users ...string) string {
	p.h.t.Helper()
	q, err := json.Marshal(map[string]any{"title": title, "users": users})
	if err != nil {
		p.h.t.Fatal(err)
	}
	var res roomResult
	if err := json.Unmarshal([]byte(p.must("room.create", string(q))), &res); err != nil || !strings.HasPrefix(res.Room, "$") {
		p.h.t.Fatalf("%v, %+v", err, res)
	}
	return res.Room
}

// list returns a person's rooms as "NAME KIND unread read role title".
func (p *person) list() (all []string) {
	p.h.t.Helper()
	var res struct {
		Rooms []struct {
			Room, Kind, Title, Role string
			Unread                  int
			Read                    uint64
			Last                    *struct{ Data json.RawMessage }
		}
	}
	if err := json.Unmarshal([]byte(p.must("rooms", `{}`)), &res); err != nil {
		p.h.t.Fatal(err)
	}
	for _, r := range res.Rooms {
		last := "-"
		if r.Last != nil {
			last = string(r.Last.Data)
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %d %d %s %s %s", r.Room[:1], r.Kind, r.Unread, r.Read, last, r.Title, r.Role)))
	}
	return all
}

func (p *person) expectList(want ...string) {
	p.h.t.Helper()
	if got := p.list(); fmt.Sprint(got) != fmt.Sprint(want) {
		p.h.t.Errorf("%s's list is %q, want %q", p.name, got, want)
	}
}

// TestPrivateRoomsLife makes, joins, leaves, inherits and forgets a private room.
func TestPrivateRoomsLife(t *testing.T) {
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		t.Run(enc.String(), func(t *testing.T) {
			e := memory.New(memory.Limits{})
			one, other := build(t, room.Config{Engine: e}), build(t, room.Config{Engine: e})
			alice, bob, carol := one.comeAs(enc, "alice"), other.comeAs(enc, "bob"), other.comeAs(enc, "carol")
			name := alice.create("Club", "bob", "carol")
			in := func(p *person, call string) string {
				t.Helper()
				return p.must(call, fmt.Sprintf(`{"room":%q}`, name))
			}
			if got := bob.nextIn("#bob"); !strings.Contains(got, `{"title":"Club"} by=alice event=invite room=`+name) {
				t.Errorf("bob is told %s", got)
			}
			for _, p := range []*person{alice, bob, carol} {
				p.join(name)
			}
			alice.must("send", fmt.Sprintf(`{"room":%q,"data":{"text":"hi"}}`, name))
			alice.expectList("$ private 0 0 {\"text\":\"hi\"} Club owner")
			bob.expectList("$ private 1 0 {\"text\":\"hi\"} Club")
			bob.must("mark", fmt.Sprintf(`{"room":%q,"read":1000}`, name)) // limited to the newest offset
			if got := bob.list(); !strings.HasPrefix(got[0], "$ private 0 ") {
				t.Errorf("bob's list: %q", got)
			}
			if got := in(bob, "marks"); !strings.Contains(got, `{"user":"bob","read":`) || strings.Contains(got, "alice") {
				t.Errorf("marks: %s", got)
			}
			if got := in(carol, "members"); !strings.Contains(got, `{"user":"alice","info":{"name":"ALICE"},"online":true,"role":"owner"}`) || !strings.Contains(got, `"bob"`) {
				t.Errorf("members: %s", got)
			}
			alice.must("room.set", fmt.Sprintf(`{"room":%q,"title":"The club"}`, name))

			in(alice, "room.leave")
			for got := ""; got != "left "+name+" 2000"; got = alice.next() {
			}
			if got := alice.tryJoinAgain(name); !strings.HasPrefix(got, "103 ") {
				t.Errorf("alice is out, and joins: %q", got)
			}
			wstest.Eventually(t, "bob is the owner on the connection that he has", func() bool {
				_, fault := bob.call("room.set", fmt.Sprintf(`{"room":%q,"slow":1}`, name))
				return fault == ""
			})
			carol.refused(wire.ErrPermissionDenied, "room.set", fmt.Sprintf(`{"room":%q,"slow":2}`, name))
			if got := in(bob, "room.info"); !strings.Contains(got, `"role":"owner"`) || !strings.Contains(got, `"title":"The club"`) {
				t.Errorf("bob was there longest: %s", got)
			}
			in(carol, "room.leave")
			in(bob, "room.leave")
			left := 0
			for _, table := range []string{engine.TableRoom, engine.TableMember} {
				e.List(table, name, "", 10, func(all []engine.Entry, _ error) { left += len(all) })
			}
			e.Get(engine.Key{Table: engine.TableRoom, Of: name}, func(e engine.Entry, _ error) { left += int(e.Version) })
			if left != 0 {
				t.Errorf("something is left of the room: %d", left)
			}
			alice.expectList()
		})
	}
}

// TestRosterChangesInTheState changes a roster as another node does. No message tells this node about it: the State comes on its
// own, and a message could be here first.
func TestRosterChangesInTheState(t *testing.T) {
	e := memory.New(memory.Limits{})
	h := build(t, room.Config{Engine: e})
	alice, bob := h.come("alice"), h.come("bob")
	name := alice.create("Club", "bob")
	alice.join(name)
	bob.join(name)
	bob.refused(wire.ErrPermissionDenied, "room.set", fmt.Sprintf(`{"room":%q,"slow":1}`, name))

	s, entry := store.New(e), func(user string) engine.Key { return engine.Key{Table: engine.TableMember, Of: name, Name: user} }
	err := store.Change(t.Context(), s, entry("bob"), func(r *policy.Roster, there bool) bool {
		r.Role = policy.OwnerRole
		return there
	})
	if err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "bob is an owner on the connection that he has", func() bool {
		_, fault := bob.call("room.set", fmt.Sprintf(`{"room":%q,"slow":1}`, name))
		return fault == ""
	})
	if err := s.Delete(t.Context(), entry("alice"), engine.AnyVersion); err != nil {
		t.Fatal(err)
	}
	for got := ""; got != "left "+name+" 2000"; got = alice.next() {
	}
}

// TestDirectRooms checks that the first message puts a direct room into both lists.
func TestDirectRooms(t *testing.T) {
	h := build(t, room.Config{})
	alice, bob := h.come("alice"), h.come("bob")
	if got := bob.must("room.direct", `{"user":"alice"}`); got != `{"room":"#alice,bob"}` {
		t.Errorf("direct: %s", got)
	}
	if got := alice.must("room.direct", `{"user":"bob"}`); got != `{"room":"#alice,bob"}` {
		t.Errorf("direct, from the other side: %s", got)
	}
	alice.must("room.leave", `{"room":"#alice,bob"}`)
	alice.expectList()
	bob.must("send", `{"room":"#alice,bob","data":{"text":"psst"}}`)
	alice.expectList(`# direct 1 0 {"text":"psst"}`)
	bob.expectList(`# direct 0 0 {"text":"psst"}`)
	for got := ""; !strings.HasSuffix(got, "by=bob event=message offset=2 room=#alice,bob"); got = alice.nextIn("#alice") {
	}
	for data, code := range map[string]wire.ErrorCode{
		`{"user":"alice"}`: wire.ErrBadRequest,
		`{"user":""}`:      wire.ErrBadRequest,
		`{}`:               wire.ErrBadRequest,
		`{"user":"` + strings.Repeat("x", 250) + `"}`: wire.ErrBadRequest,
		`{"user":"a\u0000"}`:                          wire.ErrBadRequest,
	} {
		alice.refused(code, "room.direct", data)
	}
	odd := h.come("a,b#c%")
	if got := odd.must("room.direct", `{"user":"alice"}`); got != `{"room":"#a%2Cb%23c%25,alice"}` {
		t.Errorf("escaped: %s", got)
	}
	odd.join("#a%2Cb%23c%25,alice")
}

// TestWhoHasNoNameHasNoRooms checks that a connection without a user has no list of rooms.
func TestWhoHasNoNameHasNoRooms(t *testing.T) {
	h := build(t, room.Config{})
	nobody := h.come("")
	for call, data := range map[string]string{"rooms": `{}`, "room.create": `{"title":"T"}`, "room.direct": `{"user":"a"}`, "room.join": `{"room":"lobby"}`,
		"room.leave": `{"room":"lobby"}`, "room.invite": `{"room":"lobby","user":"a"}`, "mark": `{"room":"lobby","read":1}`} {
		nobody.refused(wire.ErrUnauthorized, call, data)
	}
	nobody.must("room.info", `{"room":"lobby"}`)
	nobody.must("members", `{"room":"lobby"}`)
}

// TestRoomCaps checks the limits of everything that a user can make grow.
func TestRoomCaps(t *testing.T) {
	h := build(t, room.Config{})
	alice := h.come("alice")
	for i := range maxMine {
		h.engine().Put(engine.Entry{Key: engine.Key{Table: engine.TableMine, Of: "alice", Name: fmt.Sprint("r", i)}, Value: []byte("{}")}, func(uint64, error) {})
	}
	alice.refused(wire.ErrLimitExceeded, "room.join", `{"room":"one more"}`)
	alice.refused(wire.ErrLimitExceeded, "room.create", `{"title":"one more"}`)
	bob := h.come("bob")
	for i := range maxRoster {
		h.engine().Put(engine.Entry{Key: engine.Key{Table: engine.TableMember, Of: "full", Name: fmt.Sprint("u", i)}, Value: []byte("{}")}, func(uint64, error) {})
	}
	bob.refused(wire.ErrLimitExceeded, "room.join", `{"room":"full"}`)
	users := strings.Repeat(`"u",`, maxInvited+1)
	bob.refused(wire.ErrBadRequest, "room.create", `{"title":"T","users":[`+strings.TrimSuffix(users, ",")+`]}`)
	bob.refused(wire.ErrText, "room.create", `{"title":"`+strings.Repeat("x", 201)+`"}`)
	bob.refused(wire.ErrBadRequest, "room.create", `{}`)
	bob.refused(wire.ErrPermissionDenied, "room.create", `{"room":"$mine","title":"T"}`)
	bob.refused(wire.ErrPermissionDenied, "room.create", `{"room":"#alice","title":"T"}`)
}

// TestMarksGrow checks that marks only grow.
func TestMarksGrow(t *testing.T) {
	h := build(t, room.Config{})
	alice := h.come("alice")
	for i := range 5 {
		alice.must("send", fmt.Sprintf(`{"room":"lobby","data":{"text":"%d"}}`, i))
	}
	for _, c := range []struct{ data, want string }{
		{`{"room":"lobby","delivered":3}`, `{"read":0,"delivered":3}`},
		{`{"room":"lobby","read":2}`, `{"read":2,"delivered":3}`},
		{`{"room":"lobby","read":1,"delivered":1}`, `{"read":2,"delivered":3}`},
		{`{"room":"lobby","read":4}`, `{"read":4,"delivered":4}`},
		{`{"room":"lobby","read":18446744073709551615}`, `{"read":5,"delivered":5}`},
		{`{"room":"lobby"}`, `{"read":5,"delivered":5}`},
	} {
		if got := alice.must("mark", c.data); got != c.want {
			t.Errorf("mark %s: %s, want %s", c.data, got, c.want)
		}
	}
	alice.refused(wire.ErrBadRequest, "mark", `{"room":"lobby","read":-1}`)
}

// TestPersonalRoomIsRecovered checks that a returning user recovers the events of the personal
// room, and that nobody else gets them.
func TestPersonalRoomIsRecovered(t *testing.T) {
	h := build(t, room.Config{})
	alice, bob := h.come("alice"), h.come("bob")
	if err := bob.Disconnect(); err != nil {
		t.Fatal(err)
	}
	name := alice.create("Club", "bob")
	if err := bob.Connect(); err != nil {
		t.Fatal(err)
	}
	if got := bob.nextIn("#bob"); !strings.Contains(got, "event=invite room="+name) {
		t.Errorf("bob is told %s", got)
	}
	if got := alice.tryJoin("#bob"); !strings.HasPrefix(got, "103 ") {
		t.Errorf("alice joins bob's own room: %q", got)
	}
}
