package centrifuge

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// silent is a backend that is asked nothing.
type silent struct{}

func (silent) Asks(backend.Hook, string) bool                  { return false }
func (silent) Ask(backend.Request, func(backend.Reply, error)) {}
func (silent) Disconnected(backend.DisconnectEvent)            {}
func (silent) Handles(backend.Hook) bool                       { return false }
func (silent) Headers() []string                               { return []string{"Cookie"} }
func dialect() *Dialect {
	return New(room.NewHub(room.Config{Engine: memory.New(memory.Limits{}), Backend: silent{}}))
}
func restored(d *Dialect, state []byte) (*session, []movedSub, error) {
	s := &session{d: d}
	subs, err := s.restore(snapshot.Decode(state))
	return s, subs, err
}

// full returns a session with a value in each field that moves.
func full(d *Dialect) (*session, []movedSub) {
	s := &session{d: d, enc: wire.Protobuf, partial: &partialBatch{count: 3, left: 40}}
	copy(s.id[:], "0123456789abcdef")
	s.Init(&token.Identity{User: "ann", Info: json.RawMessage(`1`), Expires: time.Unix(2e9, 0)}, budget.User("ann"))
	s.SetConnected()
	d.hub.Meter().CountConnection(&s.Usage, "ann")
	_ = d.hub.Meter().Allow(&s.Usage, policy.ClassSend)
	s.askedOf().admitted.Store(true)
	s.askedOf().header.Set("Cookie", "c")
	grants, _ := token.DecodeGrants(snapshot.Decode(nil))
	t := &subToken{info: []byte(`2`), expires: 2e9, grants: grants, roles: 1, id: "jti", issued: 7, byServer: true}
	return s, []movedSub{
		{sub{token: t, notices: true, server: true, placed: true}, "a", true},
		{sub{}, "b", false},
	}
}

func exported(s *session, subs []movedSub) []byte {
	var e snapshot.Encoder
	s.export(&e, subs)
	return e.B
}

// TestSessionState checks that a session is the same in another process, with each field and with none.
func TestSessionState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		was, subs := full(dialect())
		s, got, err := restored(dialect(), exported(was, subs))
		if err != nil || !reflect.DeepEqual(got, subs) {
			t.Fatalf("%+v, %v\nwant %+v", got, err, subs)
		}
		if s.ClientID() != was.ClientID() || s.enc != was.enc || !s.Connected() || !reflect.DeepEqual(s.partial, was.partial) || s.Payer() != was.Payer() ||
			!reflect.DeepEqual(s.Identity(), was.Identity()) || !s.refreshedByServer() || !reflect.DeepEqual(s.askedOf().header, http.Header{"Cookie": {"c"}}) {
			t.Errorf("%+v\nwant %+v", s, was)
		}
		bare := newSession(dialect(), was.conn, wire.JSON)
		s, got, err = restored(dialect(), exported(bare, nil))
		if err != nil || s.Identity() != token.Anonymous || s.Connected() || s.partial != nil || len(got) > 0 || s.id != bare.id || s.questions.Load() != nil || s.Payer() != (budget.Owner{}) {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// TestGolden checks that this program reads and writes the state of each version that it knows.
func TestGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its time begins at a fixed date
		state := wstest.Golden(t, "v1", exported(full(dialect())))
		s, subs, err := restored(dialect(), state)
		if err != nil || !bytes.Equal(exported(s, subs), state) {
			t.Errorf("it is read as something else: %v", err)
		}
	})
}

// FuzzRestore checks that no state makes the reader panic, and that what it reads it can write.
func FuzzRestore(f *testing.F) {
	f.Add(exported(full(dialect())))
	d := dialect()
	f.Fuzz(func(t *testing.T, state []byte) {
		s, subs, err := restored(d, state)
		if err != nil {
			return
		}
		if _, _, err := restored(d, exported(s, subs)); err != nil {
			t.Error(err)
		}
		d.hub.Meter().UncountConnection(&s.Usage)
	})
}
