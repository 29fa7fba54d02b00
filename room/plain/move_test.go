package plain

import (
	"bytes"
	"reflect"
	"testing"
	"testing/synctest"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/budget"
	"webim/room/cost"
	"webim/room/engine/memory"
	"webim/room/identity"
	"webim/room/policy"
	"webim/room/token"
)

func meter() *cost.Meter {
	return room.NewHub(room.Config{Engine: memory.New(memory.Limits{})}).Meter()
}

// exported writes down a member with a token, which has sent something.
func exported() []byte {
	m, p := meter(), new(identity.Principal)
	p.Init(&token.Identity{User: "ann", ID: "jti"}, budget.User("ann"))
	m.CountConnection(&p.Usage, "ann")
	_ = m.Allow(&p.Usage, policy.ClassSend)
	return encoded(movedMember{"r", p}, m)
}

func encoded(one movedMember, m *cost.Meter) []byte {
	var e snapshot.Encoder
	one.export(&e, m)
	return e.B
}

// TestMemberState checks that a member without a token is the same in another process.
func TestMemberState(t *testing.T) {
	want := movedMember{room: "r"}
	if got, err := decodeMember(snapshot.Decode(encoded(want, nil)), nil); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestGolden checks that this program reads and writes the state of each version that it knows.
func TestGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its time begins at a fixed date
		state, m := wstest.Golden(t, "v1", exported()), meter()
		one, err := decodeMember(snapshot.Decode(state), m)
		if err != nil || !bytes.Equal(encoded(one, m), state) || one.who.Identity().ID != "jti" || m.Counts().Conns != 1 {
			t.Errorf("it is read as something else: %v", err)
		}
	})
}

// FuzzDecode checks that no state makes the reader panic, and that what it reads it can write.
func FuzzDecode(f *testing.F) {
	f.Add(exported())
	m := meter()
	f.Fuzz(func(t *testing.T, state []byte) {
		one, err := decodeMember(snapshot.Decode(state), m)
		if err != nil {
			return
		}
		if again, err := decodeMember(snapshot.Decode(encoded(one, m)), m); err != nil || again.room != one.room {
			t.Errorf("%+v, %v", again, err)
		}
	})
}
