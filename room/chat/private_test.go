package chat

import (
	"encoding/json"
	"testing"
	"time"

	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

func TestUnknownCall(t *testing.T) {
	h := build(t, room.Config{})
	h.come("alice").refused(wire.ErrNotAvailable, "nothing", `{}`)
}

// TestPrivateRooms checks that the name or the roster of a room decides about joining.
func TestPrivateRooms(t *testing.T) {
	h := build(t, room.Config{})
	owner, err := json.Marshal(policy.Roster{Role: policy.OwnerRole, Since: time.Now().UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	h.engine().Put(engine.Entry{Key: engine.Key{Table: engine.TableMember, Of: "$club", Name: "alice"}, Value: owner}, func(uint64, error) {})
	people := map[string]*person{"": h.come(""), "alice": h.come("alice"), "bob": h.come("bob"), "carol": h.come("carol", "admin")}
	for _, c := range []struct{ room, who, want string }{
		{"#alice,bob", "alice", ""},
		{"#alice,bob", "bob", ""},
		{"#alice,bob", "carol", "103 permission denied"}, // not even an admin
		{"#alice,bob", "", "103 permission denied"},
		{"#bob,alice", "alice", "103 permission denied"}, // not the normal name of the room
		{"#alice,bob,carol", "alice", "103 permission denied"},
		{"#", "", "103 permission denied"},
		{"#,bob", "bob", "103 permission denied"},
		{"#alice", "bob", "103 permission denied"},
		{"#%2Calice", "alice", "103 permission denied"},
		{"$club", "alice", ""},
		{"$club", "bob", "103 permission denied"},
		{"$club", "carol", ""},
		{"$club", "", "103 permission denied"},
		{"$", "bob", "103 permission denied"},
	} {
		if got := people[c.who].tryJoin(c.room); got != c.want && !(c.want != "" && got[:3] == c.want[:3]) {
			t.Errorf("%q joins %s: %q, want %q", c.who, c.room, got, c.want)
		}
	}
}

// TestAdminLeavesPrivateRoom checks that the call to leave ends the membership of an admin, whom the room admits without its
// roster, too.
func TestAdminLeavesPrivateRoom(t *testing.T) {
	h := build(t, room.Config{})
	listed, err := json.Marshal(policy.Roster{Since: time.Now().UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	h.engine().Put(engine.Entry{Key: engine.Key{Table: engine.TableMember, Of: "$club", Name: "root"}, Value: listed}, func(uint64, error) {})
	root := h.come("root", "admin")
	root.join("$club")
	root.must("room.leave", `{"room":"$club"}`)
	for got := ""; got != "left $club 2000"; got = root.next() {
	}
}
