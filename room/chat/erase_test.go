package chat

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// TestErase erases a user who is online, owns a room, talks in two and has a direct one. What is left of the
// user is the id of an author and a ban, and the others see the content gone.
func TestErase(t *testing.T) {
	h := build(t, room.Config{})
	alice, bob := h.come("alice"), h.come("bob")
	carol := h.come("carol", "admin")
	made(t, alice.must("room.create", `{"title":"club","users":["bob"]}`))
	alice.must("room.join", `{"room":"lobby"}`)
	alice.must("room.direct", `{"user":"bob"}`)
	alice.must("send", `{"room":"#alice,bob","data":{"text":"psst"}}`)
	alice.must("send", `{"room":"lobby","data":{"text":"hello"}}`)
	bob.must("send", `{"room":"lobby","data":{"text":"hi"}}`)
	first := where(t, bob.must("messages", `{"room":"lobby","limit":1}`))
	alice.must("react", fmt.Sprintf(`{"room":"lobby","offset":%d,"emoji":"👍"}`, first))
	bob.must("react", fmt.Sprintf(`{"room":"lobby","offset":%d,"emoji":"👍"}`, first))
	alice.must("mark", `{"room":"lobby","read":1}`)
	alice.must("room.decline", `{"user":"dan"}`)
	carol.must("mute", `{"room":"other","user":"alice"}`)
	bob.join("lobby")

	if err := Erase(t.Context(), h.hub.Engine(), "alice"); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "the user is disconnected", func() bool { return strings.HasPrefix(alice.next(), "disconnected 3503") })
	if got := bob.nextIn("lobby"); !strings.HasSuffix(got, "{} event=erase user=alice") {
		t.Errorf("bob is told %q", got)
	}
	all := bob.must("messages", `{"room":"lobby"}`)
	if strings.Contains(all, "hello") || !strings.Contains(all, `"hi"`) || !strings.Contains(all, `"deleted":true`) || !strings.Contains(all, `"users":["bob"],"count":1`) {
		t.Error(all)
	}
	if all = bob.must("messages", `{"room":"#alice,bob"}`); strings.Contains(all, "psst") {
		t.Error(all)
	}
	if left := leftOf(h, "alice"); len(left) != 1 || left[0].Table != engine.TableMute {
		t.Errorf("the State still has %+v", left)
	}
	if info := bob.must("rooms", `{}`); !strings.Contains(info, `"role":"owner"`) {
		t.Errorf("nobody owns the room: %s", info)
	}
	again := h.come("alice")
	again.must("send", `{"room":"lobby","data":{"text":"new"}}`)
	if all = bob.must("messages", `{"room":"lobby"}`); !strings.Contains(all, `"new"`) || strings.Contains(all, "hello") {
		t.Error(all)
	}
}

// leftOf returns the entries of the State that are about a user, except the tombstone. The settings of a room
// belong to the room.
func leftOf(h *house, user string) (left []engine.Entry) {
	for _, table := range []string{engine.TableMember, engine.TableMine, engine.TableMark, engine.TableDecline, engine.TableReaction, engine.TableMute} {
		h.hub.Engine().Watch(table, func(_, e engine.Entry) {
			if e.Of == user || strings.HasSuffix(e.Name, user) || strings.Contains(string(e.Value), user) {
				left = append(left, e)
			}
		})()
	}
	return left
}

// where returns the offset of the only message of a page.
func where(t *testing.T, page string) (offset uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(page, `{"messages":[{"offset":%d`, &offset); err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	return offset
}

// plainEngine is an engine that cannot erase.
type plainEngine struct{ engine.Engine }

func TestEraseNeedsAnEraser(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), wstest.Patience)
	defer cancel()
	if err := Erase(ctx, plainEngine{}, "u"); err != wire.ErrNotAvailable {
		t.Error(err)
	}
}
