package chat

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"webim/room"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/guest"
	"webim/room/policy"
	"webim/room/shares"
	"webim/room/wire"
)

// greed makes calls until one is refused with error 106, and returns the number of successful
// calls.
func greed(t *testing.T, p *person, method string, data func(i int) string) int {
	t.Helper()
	for i := range 3000 {
		if _, fault := p.call(method, data(i)); strings.HasPrefix(fault, "106 ") {
			return i
		} else if fault != "" {
			t.Fatalf("%s %s: %s", method, data(i), fault)
		}
	}
	t.Fatalf("%s is never refused", method)
	return 0
}

// TestSharesOfTheState checks that a user that fills its share of the State, by any call, leaves
// room for others.
func TestSharesOfTheState(t *testing.T) {
	title := strings.Repeat("t", maxChars)
	calls := map[string]struct {
		method string
		data   func(i int) string
	}{
		"private rooms": {"room.create", func(int) string { return fmt.Sprintf(`{"title":%q}`, title) }},
		"public rooms":  {"room.create", func(i int) string { return fmt.Sprintf(`{"room":"public %d","title":%q}`, i, title) }},
		"direct rooms":  {"room.direct", func(i int) string { return fmt.Sprintf(`{"user":"nobody %d"}`, i) }},
		"lists":         {"room.join", func(i int) string { return fmt.Sprintf(`{"room":"public %d"}`, i) }},
		"invitations of others": {"room.create", func(i int) string {
			return fmt.Sprintf(`{"title":"x","users":["u%d","v%d","w%d","x%d"]}`, i, i, i, i)
		}},
	}
	for name, c := range calls {
		for _, guests := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/guests=%v", name, guests), func(t *testing.T) {
				g, err := guest.New([]byte(strings.Repeat("k", 32)))
				if err != nil {
					t.Fatal(err)
				}
				engine := memory.New(memory.Limits{MaxState: 256 << 10})
				h := build(t, room.Config{Engine: engine, Guests: g})
				come := func(name string) *person {
					if guests {
						return h.guest(name, "127.0.0.1")
					}
					return h.come(name)
				}
				attackers := []*person{come("mallory")}
				if guests { // the other seven guests of the address get no share of their own
					for i := range 7 {
						attackers = append(attackers, come(fmt.Sprint("mallory ", i)))
					}
				}
				for i, a := range attackers {
					greed(t, a, c.method, func(k int) string { return c.data(10_000*i + k) })
				}
				if used := engine.Stats().State; used > 64<<10 {
					t.Errorf("one owner fills %d of %d bytes", used, 256<<10)
				}
				for _, other := range []*person{h.come("anna"), h.guest("bea", "127.0.0.2")} {
					other.must("room.create", `{"title":"ours"}`)
					other.must("room.direct", `{"user":"carol"}`)
					other.must("room.join", `{"room":"lobby"}`)
				}
			})
		}
	}
}

// TestSharesOfTheStateThatGrows checks that a user that has filled its share of the State cannot
// make its entries grow, by any call.
func TestSharesOfTheStateThatGrows(t *testing.T) {
	long := strings.Repeat("t", maxChars)
	for name, c := range map[string]struct {
		fill, grow string                        // methods
		data       func(own, i, text any) string // of the calls; own is a private room of the caller
	}{
		"titles": {"room.create", "room.set", func(_, i, text any) string { return fmt.Sprintf(`{"room":"public %v","title":%q}`, i, text) }},
		"reasons of bans": {"ban", "ban", func(own, i, text any) string {
			return fmt.Sprintf(`{"room":%q,"user":"u%v","reason":%q}`, own, i, text)
		}},
		"reasons of mutes": {"mute", "mute", func(own, i, text any) string {
			return fmt.Sprintf(`{"room":%q,"user":"u%v","reason":%q}`, own, i, text)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			engine := memory.New(memory.Limits{MaxState: 2 << 20})
			h := build(t, room.Config{Engine: engine})
			mallory, manager := h.come("mallory"), h.come("boss", "admin")
			own := mallory.create("own")
			mallory.join(own)
			made := greed(t, mallory, c.fill, func(i int) string { return c.data(own, i, "x") })
			who := mallory
			if name == "titles" { // in public rooms only managers may set them
				who = manager
			}
			full := engine.Stats().State
			for i := range made {
				if _, fault := who.call(c.grow, c.data(own, i, long)); fault != "" && !strings.HasPrefix(fault, "106 ") {
					t.Fatal(fault)
				}
			}
			if grown := engine.Stats().State - full; grown > 1024 { // the rest of the share
				t.Errorf("%d entries grew by %d bytes", made, grown)
			}
		})
	}
}

// TestSharesOfGuests checks that guests can list public rooms without being on their rosters.
func TestSharesOfGuests(t *testing.T) {
	g, err := guest.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	h := build(t, room.Config{Guests: g})
	ann, bob := h.guest("ann", "127.0.0.1"), h.come("bob")
	bob.must("room.join", `{"room":"lobby"}`)
	bob.join("lobby")
	ann.must("room.join", `{"room":"lobby"}`)
	ann.must("room.join", `{"room":"lobby"}`)
	bob.must("send", `{"room":"lobby","data":{"text":"hi"}}`)
	if got := bob.nextIn("lobby"); got != `lobby: 2 bob {"text":"hi"}` {
		t.Errorf("the room is told of a guest: %q", got)
	}
	if got := bob.must("members", `{"room":"lobby"}`); strings.Contains(got, "guest:") {
		t.Errorf("a guest is on the roster: %s", got)
	}
	if got := ann.list(); fmt.Sprint(got) != `[l public 1 0 {"text":"hi"}]` {
		t.Errorf("the guest's list: %q", got)
	}
	ann.must("mark", `{"room":"lobby","read":2}`)
	ann.must("room.leave", `{"room":"lobby"}`)
	if got := ann.list(); len(got) != 0 {
		t.Errorf("after leaving, the guest's list: %q", got)
	}
	if got := bob.list(); len(got) != 1 {
		t.Errorf("bob's list: %q", got)
	}
	ann.must("room.create", `{"title":"ours","users":["bob"]}`) // the rosters of private rooms include guests
	if got := ann.list(); len(got) != 1 {
		t.Errorf("the guest's list: %q", got)
	}
}

// noLists is a State in which users' lists are full.
type noLists struct{ engine.State }

func (s noLists) Put(e engine.Entry, done func(uint64, error)) {
	if e.Table == engine.TableMine {
		done(0, shares.ErrFull)
		return
	}
	s.State.Put(e, done)
}

// TestHalfOfAMembershipIsTakenBack checks that a user whose list is full is not left on the roster,
// where nothing would ever remove it.
func TestHalfOfAMembershipIsTakenBack(t *testing.T) {
	e := memory.New(memory.Limits{})
	ctx, none, owner := t.Context(), policy.Roster{}, policy.Roster{Role: policy.OwnerRole}
	if isNew, err := writeMembership(ctx, store.New(noLists{e}), "$x", "ann", owner, ""); isNew || !errors.Is(clientError(err), wire.ErrLimitExceeded) {
		t.Errorf("new: %v, %v", isNew, err)
	}
	if n := e.Stats().State; n != 0 {
		t.Errorf("%d bytes of state are left", n)
	}
	// A user who is on the roster already stays.
	s, listed := store.New(e), engine.Key{Table: engine.TableMine, Of: "ann", Name: "$x"}
	for range 2 {
		if _, err := writeMembership(ctx, s, "$x", "ann", none, ""); err != nil {
			t.Error(err)
		}
		if err := s.Delete(ctx, listed, engine.AnyVersion); err != nil {
			t.Error(err)
		}
	}
	if _, err := writeMembership(ctx, store.New(noLists{e}), "$x", "ann", none, ""); !errors.Is(clientError(err), wire.ErrLimitExceeded) {
		t.Error(err)
	}
	// Nor are names looked up for a member: there is no hub to ask.
	if _, err := enroll(ctx, nil, s, "$x", "ann", "", maxMine); err != nil {
		t.Error(err)
	}
	if _, there, err := rosterOf(ctx, s, "$x", "ann"); err != nil || !there {
		t.Error("a member lost its place:", err)
	}
}
