package chat

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/moderation"
	"webim/room/token"
	"webim/room/wire"
)

// TestWhoModerates tries every role with every call, in a room and everywhere.
func TestWhoModerates(t *testing.T) {
	h := build(t, room.Config{})
	people := map[string]*person{
		"nobody":            h.come(""),
		"user":              h.come("user"),
		"moderator":         h.come("mod", "moderator"),
		"moderator of room": h.come("here", "moderator@lobby"),
		"admin of room":     h.come("adm", "admin@lobby"),
		"admin":             h.come("root", "admin"),
	}
	for _, p := range people {
		p.join("lobby")
	}
	const no, ok = 103, 0
	for _, c := range []struct {
		who               string
		calls             []string
		inRoom, elsewhere wire.ErrorCode
		everywhere        wire.ErrorCode
	}{
		{"nobody", []string{"kick", "ban", "unban", "mute", "unmute", "sanctions"}, no, no, no},
		{"user", []string{"kick", "ban", "unban", "mute", "unmute", "sanctions"}, no, no, no},
		{"moderator of room", []string{"kick", "ban", "unban", "mute", "unmute", "sanctions"}, ok, no, no},
		{"admin of room", []string{"kick", "ban", "unban", "mute", "unmute", "sanctions"}, ok, no, no},
		{"moderator", []string{"kick", "ban", "unban", "mute", "unmute", "sanctions"}, ok, ok, ok},
		{"admin", []string{"kick", "ban", "unban", "mute", "unmute", "sanctions"}, ok, ok, ok},
		{"nobody", []string{"room.set"}, no, no, 107},
		{"user", []string{"room.set"}, no, no, 107},
		{"moderator of room", []string{"room.set"}, no, no, 107},
		{"moderator", []string{"room.set"}, no, no, 107},
		{"admin of room", []string{"room.set"}, ok, no, 107},
		{"admin", []string{"room.set"}, ok, ok, 107},
	} {
		for _, call := range c.calls {
			for _, where := range []struct {
				room string
				want wire.ErrorCode
			}{{`"room":"lobby"`, c.inRoom}, {`"room":"other"`, c.elsewhere}, {"", c.everywhere}} {
				fields := []string{`"user":"victim"`}
				switch call {
				case "sanctions":
					fields = nil
				case "room.set":
					fields = []string{`"title":"T"`}
				}
				if where.room != "" {
					fields = append(fields, where.room)
				}
				_, fault := people[c.who].call(call, "{"+strings.Join(fields, ",")+"}")
				code := wire.ErrorCode(0)
				fmt.Sscan(fault, &code)
				if code != where.want {
					t.Errorf("%s: %s in %q: %q, want %d", c.who, call, where.room, fault, where.want)
				}
			}
		}
	}
}

func TestModerationCallsThatAreNone(t *testing.T) {
	h := build(t, room.Config{})
	root := h.come("root", "admin")
	for _, c := range []struct{ call, data, want string }{
		{"ban", `{}`, "name a user"},
		{"ban", `{"room":"lobby","user":"a","ip":"192.0.2.1"}`, "name a user"},
		{"mute", `{"room":"lobby","ip":"192.0.2.1"}`, "only bans take an ip"},
		{"ban", `{"ip":"nonsense"}`, "ip is an address"},
		{"ban", `{"user":"root"}`, "cannot do this to yourself"},
		{"ban", `{"user":"a","seconds":-1}`, "seconds"},
		{"ban", `{"user":"a","who":1}`, `no field "/who"`},
		{"ban", `{"user":7}`, `"/user" has the wrong type`},
		{"ban", `[]`, "wrong type"},
		{"ban", `{"room":"` + strings.Repeat("x", 256) + `","user":"a"}`, "room name is 256 bytes long"},
		{"room.set", `{"room":"lobby"}`, "nothing to set"},
		{"room.set", `{"room":"lobby","slow":-1}`, "slow must be 0"},
		{"room.set", `{"room":"lobby","title":"a\u0000"}`, "control characters"},
	} {
		if _, fault := root.call(c.call, c.data); !strings.Contains(fault, c.want) {
			t.Errorf("%s %s: %q, want %q", c.call, c.data, fault, c.want)
		}
	}
}

// TestRoomBan checks that a user who is banned in a room leaves it, and cannot join before the ban
// ends.
func TestRoomBan(t *testing.T) {
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		t.Run(enc.String(), func(t *testing.T) {
			h := build(t, room.Config{})
			mod, bob := h.comeAs(enc, "mod", "moderator"), h.comeAs(enc, "bob")
			mod.join("lobby")
			bob.join("lobby")
			mod.must("ban", `{"room":"lobby","user":"bob","reason":"spam"}`)
			for strings.HasPrefix(bob.next(), "lobby: ") {
			}
			bob.stash = nil
			if got := bob.tryJoinAgain("lobby"); !strings.HasPrefix(got, "443 ") {
				t.Errorf("banned, and joining: %q", got)
			}
			bob.join("other")
			bob.refused(wire.ErrBanned, "kick", `{"room":"lobby","user":"mod"}`)
			mod.must("unban", `{"room":"lobby","user":"bob"}`)
			if got := bob.tryJoinAgain("lobby"); got != "" {
				t.Errorf("after the ban: %q", got)
			}
		})
	}
}

// tryJoinAgain is tryJoin for a room that the user has joined before.
func (p *person) tryJoinAgain(name string) string {
	p.h.t.Helper()
	p.mu.Lock()
	sub := p.subs[name]
	p.mu.Unlock()
	wstest.Eventually(p.h.t, "the old subscription is over", func() bool { return sub.State() == centrifuge.SubStateUnsubscribed })
	if err := p.RemoveSubscription(sub); err != nil {
		p.h.t.Fatal(err)
	}
	return p.tryJoin(name)
}

// TestBanEverywhere checks that a ban closes all connections of the user at once, on every node,
// and lets no new one in.
func TestBanEverywhere(t *testing.T) {
	engine := memory.New(memory.Limits{})
	one, other := build(t, room.Config{Engine: engine}), build(t, room.Config{Engine: engine})
	mod := one.come("mod", "moderator")
	bobs := []*person{one.come("bob"), one.comeAs(wire.Protobuf, "bob"), other.come("bob")}
	alice := other.come("alice")
	mod.must("ban", `{"user":"bob","seconds":3600}`)
	for _, bob := range bobs {
		bob.expect("disconnected 4503 banned")
	}
	late := other.start(wire.JSON, "bob")
	late.expect("disconnected 4503 banned")
	if !strings.Contains(mod.must("sanctions", `{}`), `{"user":"bob","until":`) {
		t.Error("the ban is not listed")
	}
	mod.must("unban", `{"user":"bob"}`)
	one.come("bob")
	alice.must("rooms", `{}`) // the call of another user still works
}

// TestBanByAddress checks that a ban of a network closes its connections in both dialects. All
// connections of the tests come from loopback.
func TestBanByAddress(t *testing.T) {
	h := build(t, room.Config{})
	bob, nobody := h.come("bob"), h.come("")
	done := make(chan error, 1)
	ban := moderation.Sanction{Table: engine.TableBanIP, Who: "127.0.0.1"}
	h.hub.Impose(ban, nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	bob.expect("disconnected 4503 banned")
	nobody.expect("disconnected 4503 banned")
	h.start(wire.Protobuf, "alice").expect("disconnected 4503 banned")
	h.hub.Lift(ban, nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.come("bob")
}

// TestBanOfWhoComesIn checks that a banned connection never stays, whatever the order of ban and
// connect.
func TestBanOfWhoComesIn(t *testing.T) {
	h := build(t, room.Config{MaxConnsPerUser: -1})
	for round := range 60 {
		user := fmt.Sprint("user", round)
		var wg sync.WaitGroup
		p := h.start(wire.JSON, user)
		wg.Go(func() {
			h.hub.Impose(moderation.Sanction{Table: engine.TableBan, Who: user}, nil, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
		})
		wg.Wait()
		for {
			if got := p.next(); got == "disconnected 4503 banned" {
				break
			} else if got != "connected" {
				t.Fatalf("round %d: %s", round, got)
			}
		}
	}
}

// TestRoomBanOfWhoJoins checks the same for joining a room.
func TestRoomBanOfWhoJoins(t *testing.T) {
	h := build(t, room.Config{})
	p := h.come("bob")
	for round := range 60 {
		name := fmt.Sprint("room", round)
		var wg sync.WaitGroup
		wg.Go(func() {
			h.hub.Impose(moderation.Sanction{Table: engine.TableBan, Room: name, Who: "bob"}, nil, func(error) {})
		})
		p.tryJoin(name)
		wg.Wait()
		wstest.Eventually(t, "nobody is in "+name, func() (gone bool) {
			h.hub.Engine().Members(name, 10, func(all []engine.Author, _ error) { gone = len(all) == 0 })
			return gone
		})
	}
}

// TestBannedRoomOfAToken checks that a connection is let in without the room of its token in which
// the user is banned.
func TestBannedRoomOfAToken(t *testing.T) {
	h := build(t, room.Config{})
	h.hub.Impose(moderation.Sanction{Table: engine.TableBan, Room: "news", Who: "bob"}, nil, func(error) {})
	text, err := h.signer.Sign(token.Claims{User: "bob", Channels: []string{"news", "weather"}})
	if err != nil {
		t.Fatal(err)
	}
	c := centrifuge.NewJsonClient("ws://"+h.addr+wire.EndpointPath, centrifuge.Config{Token: text})
	t.Cleanup(c.Close)
	joined := make(chan string, 10)
	c.OnSubscribed(func(e centrifuge.ServerSubscribedEvent) { joined <- e.Channel })
	c.OnConnected(func(centrifuge.ConnectedEvent) { joined <- "connected" })
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for range 3 {
		select {
		case name := <-joined:
			got[name] = true
		case <-time.After(wstest.Patience):
			t.Fatalf("told only %v", got)
		}
	}
	if got["news"] || !got["weather"] || !got["#bob"] || !got["connected"] {
		t.Errorf("told %v", got)
	}
}

// TestMuteLockSlow checks which users a mute, a lock and slow mode bind, in all ways to send.
func TestMuteLockSlow(t *testing.T) {
	h := build(t, room.Config{})
	root, bob := h.come("root", "admin"), h.come("bob")
	for _, p := range []*person{root, bob} {
		p.join("lobby")
	}
	bob.must("send", `{"room":"lobby","data":{"text":"first"}}`)
	ways := map[string]string{
		"send":   `{"room":"lobby","data":{"text":"x"}}`,
		"edit":   `{"room":"lobby","offset":1,"data":{"text":"y"}}`,
		"react":  `{"room":"lobby","offset":1,"emoji":"👍"}`,
		"typing": `{"room":"lobby"}`,
	}
	all := func(code wire.ErrorCode) {
		t.Helper()
		for call, data := range ways {
			bob.refused(code, call, data)
		}
		if _, err := bob.Publish(t.Context(), "lobby", []byte(`{"text":"raw"}`)); err == nil || !strings.HasPrefix(problem(err), fmt.Sprint(uint32(code))) {
			t.Errorf("raw publish: %v, want %d", err, code)
		}
	}
	root.must("mute", `{"room":"lobby","user":"bob","seconds":60}`)
	all(wire.ErrMuted)
	bob.must("send", `{"room":"other","data":{"text":"elsewhere"}}`)
	root.must("unmute", `{"room":"lobby","user":"bob"}`)
	root.must("mute", `{"user":"bob"}`)
	bob.refused(wire.ErrMuted, "send", `{"room":"other","data":{"text":"elsewhere"}}`)
	root.must("unmute", `{"user":"bob"}`)
	root.must("room.set", `{"room":"lobby","locked":true}`)
	all(wire.ErrLocked)
	root.must("send", `{"room":"lobby","data":{"text":"quiet, please"}}`)
	root.must("room.set", `{"room":"lobby","locked":false,"slow":3600}`)
	bob.must("send", `{"room":"lobby","data":{"text":"one"}}`)
	bob.refused(wire.ErrSlowMode, "send", `{"room":"lobby","data":{"text":"two"}}`)
	bob.must("react", `{"room":"lobby","offset":1,"emoji":"👍"}`)
	root.must("send", `{"room":"lobby","data":{"text":"as often"}}`)
	root.must("send", `{"room":"lobby","data":{"text":"as I like"}}`)
	if got := bob.must("room.info", `{"room":"lobby"}`); !strings.Contains(got, `"locked":false,"slow":3600`) {
		t.Errorf("room.info: %s", got)
	}
	bob.must("delete", `{"room":"lobby","offset":1}`)
}

// TestMuteEnds checks that a mute ends in time.
func TestMuteEnds(t *testing.T) {
	h := build(t, room.Config{})
	bob := h.come("bob")
	h.hub.Impose(moderation.Sanction{Table: engine.TableMute, Room: "lobby", Who: "bob", Until: time.Now().Add(20 * time.Millisecond)}, nil, func(error) {})
	wstest.Eventually(t, "bob may speak again", func() bool {
		_, fault := bob.call("send", `{"room":"lobby","data":{"text":"x"}}`)
		return fault == ""
	})
}

// TestOwnersAreAbove checks that the owner of a private room cannot be banned or muted there.
func TestOwnersAreAbove(t *testing.T) {
	h := build(t, room.Config{})
	alice, bob, root := h.come("alice"), h.come("bob"), h.come("root", "admin")
	name := strings.TrimSuffix(strings.TrimPrefix(alice.must("room.create", `{"title":"Club","users":["bob"]}`), `{"room":"`), `"}`)
	alice.join(name)
	bob.join(name)
	root.join(name)
	bob.refused(wire.ErrPermissionDenied, "kick", fmt.Sprintf(`{"room":%q,"user":"alice"}`, name))
	root.refused(wire.ErrPermissionDenied, "ban", fmt.Sprintf(`{"room":%q,"user":"alice"}`, name))
	alice.must("ban", fmt.Sprintf(`{"room":%q,"user":"bob"}`, name))
	wstest.Eventually(t, "bob is out", func() (out bool) {
		h.engine().Get(engine.Key{Table: engine.TableMember, Of: name, Name: "bob"}, func(e engine.Entry, err error) { out = err == nil && e.Version == 0 })
		return out
	})
	if got := bob.tryJoinAgain(name); !strings.HasPrefix(got, "443 ") && !strings.HasPrefix(got, "103 ") {
		t.Errorf("bob joins again: %q", got)
	}
	if got := bob.must("rooms", `{}`); got != `{"rooms":[],"more":false}` {
		t.Errorf("bob's list: %s", got)
	}
}

// TestAdminsAreAbove checks that moderators cannot mute or ban admins, and that admins can mute and
// ban moderators and admins.
func TestAdminsAreAbove(t *testing.T) {
	h := build(t, room.Config{})
	mod, root, other, here := h.come("mod", "moderator"), h.come("root", "admin"), h.comeAs(wire.Protobuf, "other", "admin"), h.come("here", "admin@lobby")
	root.join("lobby")
	for _, data := range []string{`{"room":"lobby","user":"root"}`, `{"user":"root"}`} {
		mod.must("mute", data)
		mod.must("ban", data)
		mod.must("kick", data)
	}
	root.must("send", `{"room":"lobby","data":{"text":"still here"}}`)
	if got := root.must("room.info", `{"room":"lobby"}`); strings.Contains(got, "muted") {
		t.Errorf("room.info: %s", got)
	}
	root.must("room.join", `{"room":"lobby"}`) // a ban in a room removes from the roster
	if got := root.must("rooms", `{}`); !strings.Contains(got, `"room":"lobby"`) {
		t.Errorf("rooms: %s", got)
	}
	h.come("root", "admin").join("lobby")
	h.start(wire.JSON, "root").expect("disconnected 4503 banned") // with a token without the role
	mod.must("mute", `{"user":"here"}`)
	here.refused(wire.ErrMuted, "send", `{"room":"lobby","data":{"text":"admin of a room"}}`)
	h.hub.Impose(moderation.Sanction{Table: engine.TableBanIP, Who: "127.0.0.0/8"}, nil, func(error) {})
	mod.expect("disconnected 4503 banned")
	here.expect("disconnected 4503 banned") // the role in one room does not protect from a ban everywhere
	root.must("unban", `{"ip":"127.0.0.0/8"}`)
	root.must("mute", `{"room":"lobby","user":"other"}`)
	other.refused(wire.ErrMuted, "send", `{"room":"lobby","data":{"text":"x"}}`)
	third := h.come("third", "admin")
	root.must("kick", `{"user":"third"}`)
	third.expect("disconnected 3503 force disconnect")
	root.must("ban", `{"user":"other"}`)
	other.expect("disconnected 4503 banned")
}

func TestKick(t *testing.T) {
	h := build(t, room.Config{})
	mod, bob := h.come("mod", "moderator"), h.come("bob")
	bob.join("lobby")
	mod.must("kick", `{"room":"lobby","user":"bob"}`)
	for got := ""; got != "left lobby 2000"; got = bob.next() {
	}
	mod.must("kick", `{"user":"bob"}`)
	for got := ""; got != "disconnected 3503 force disconnect"; got = bob.next() {
	}
	h.come("bob") // a kick is not a ban
}

// TestAuditLog checks that every action of a moderator leaves a line in the audit log.
func TestAuditLog(t *testing.T) {
	var log wstest.Log
	h := build(t, room.Config{Audit: slog.New(slog.NewTextHandler(&log, nil))})
	root, bob := h.come("root", "admin"), h.come("bob")
	bob.must("send", `{"room":"lobby","data":{"text":"x"}}`)
	for _, c := range []struct{ call, data, want string }{
		{"mute", `{"room":"lobby","user":"b\" by=\u202e","reason":"r"}`, `msg=audit action=mute by=root room=lobby target="b\" by=\u202e" reason=r`},
		{"unmute", `{"room":"lobby","user":"bob"}`, `action=unmute by=root room=lobby target=bob`},
		{"ban", `{"ip":"192.0.2.0/24"}`, `action=ban by=root room="" target=192.0.2.0/24`},
		{"unban", `{"user":"bob"}`, `action=unban by=root room="" target=bob`},
		{"kick", `{"room":"lobby","user":"bob"}`, `action=kick by=root room=lobby target=bob`},
		{"delete", `{"room":"lobby","offset":1}`, `action=delete by=root room=lobby target=1`},
		{"room.set", `{"room":"lobby","locked":true}`, `action=set by=root room=lobby`},
	} {
		root.must(c.call, c.data)
		if got := log.Take(); !strings.Contains(got, c.want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %q, want %q", c.call, got, c.want)
		}
	}
}
