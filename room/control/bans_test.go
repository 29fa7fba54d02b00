package control

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/room/engine"
	"webim/room/wire"
)

// ban stores a ban of a user in a room, or on the whole server.
func ban(t *testing.T, e engine.State, room, user string) {
	t.Helper()
	put(t, e, engine.Entry{Key: engine.Key{Table: engine.TableBan, Of: room, Name: user}, Value: []byte("{}"), Version: engine.AnyVersion})
}

// put stores an entry.
func put(t *testing.T, e engine.State, entry engine.Entry) {
	t.Helper()
	e.Put(entry, func(_ uint64, err error) {
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestBanOfUser checks that a ban ends the memberships of a user in a room, or the user's connections, and
// removes the user from the roster of the room.
func TestBanOfUser(t *testing.T) {
	e := newEngine()
	n := start(t, e, nil)
	ann, bob := n.session("/r/ann/a"), n.session("/r/bob/b")
	plainAnn, _ := n.join("/r/ann")
	plainBob, _ := n.join("/r/bob")
	listed := engine.Key{Table: engine.TableMember, Of: "r", Name: "ann"}
	e.Put(engine.Entry{Key: listed, Value: []byte("{}"), Version: engine.AnyVersion}, func(_ uint64, err error) {
		if err != nil {
			t.Fatal(err)
		}
	})
	ban(t, e, "r", "ann")
	n.saw(ann) // the State has its locks held
	n.run()
	n.saw(ann, "leave r")
	n.saw(bob)
	plainAnn.ExpectClose(int(wire.DisconnectBanned))
	e.Get(listed, func(got engine.Entry, err error) {
		if err != nil || got.Version != 0 {
			t.Errorf("the roster has %+v, %v", got, err)
		}
	})
	ban(t, e, "", "bob")
	n.run()
	n.saw(bob, wire.DisconnectBanned.Text())
	plainBob.ExpectClose(int(wire.DisconnectBanned))
	n.saw(ann)
}

// TestRoomsAreWalkedAlone checks that a ban of a network, which the owner of a room can impose there, looks
// only at the connections of that room.
func TestRoomsAreWalkedAlone(t *testing.T) {
	e := newEngine()
	n := start(t, e, nil)
	here, other := n.session("/r/ann/a"), n.session("/s/ann/b")
	plainHere, _ := n.join("/r/")
	plainOther, _ := n.join("/s/")
	e.Put(engine.Entry{Key: engine.Key{Table: engine.TableBanIP, Of: "r", Name: "127.0.0.0/8"}, Value: []byte("{}"), Version: engine.AnyVersion}, func(_ uint64, err error) {
		if err != nil {
			t.Fatal(err)
		}
	})
	n.run()
	n.saw(here, "leave r")
	n.saw(other)
	plainHere.ExpectClose(int(wire.DisconnectBanned))
	if !slices.Equal(n.walked, []string{"r", "r"}) {
		t.Errorf("the rooms %q were walked", n.walked)
	}
	n.EnforceNetworkBan("s", netip.MustParsePrefix("127.0.0.0/8")) // the ban has ended meanwhile
	n.run()
	n.saw(other)
	plainOther.Leave()
}

// TestErased checks that the connections of an erased user end, in both dialects.
func TestErased(t *testing.T) {
	e := newEngine()
	n := start(t, e, nil)
	ann, bob := n.session("/r/ann/a"), n.session("/r/bob/b")
	plainAnn, _ := n.join("/r/ann")
	plainBob, _ := n.join("/r/bob")
	e.Put(engine.Tombstone("ann", time.Now()), func(_ uint64, err error) {
		if err != nil {
			t.Fatal(err)
		}
	})
	n.run()
	n.saw(ann, wire.DisconnectForceNoReconnect.Text())
	n.saw(bob)
	plainAnn.ExpectClose(int(wire.DisconnectForceNoReconnect))
	plainBob.Leave()
	later := start(t, e, nil)
	if later.run(); strings.Contains(later.log.String(), "erased") {
		t.Errorf("a node that starts later logs the erasure: %s", later.log)
	}
}
