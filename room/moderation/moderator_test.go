package moderation

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// fakeNode records the calls that a Moderator makes.
type fakeNode struct {
	enforced []string
	events   []engine.Message
	controls []engine.ControlMessage
}

func (n *fakeNode) EnforceBan(room, user string) {
	n.enforced = append(n.enforced, room+"/"+user)
}

func (n *fakeNode) EnforceNetworkBan(room string, net netip.Prefix) {
	n.enforced = append(n.enforced, room+"/"+net.String())
}

func (n *fakeNode) Publish(_ string, m engine.Message, _ func(engine.Position, error)) {
	n.events = append(n.events, m)
}

// recordingEngine is an engine whose control messages a fakeNode records.
type recordingEngine struct {
	engine.Engine
	n *fakeNode
}

func (e recordingEngine) SendControl(m engine.ControlMessage, done func(error)) {
	e.n.controls = append(e.n.controls, m)
	done(nil)
}

// newModerator returns a moderator on a memory engine, which watches until the test ends.
func newModerator(t *testing.T, e engine.Engine) (*Moderator, *fakeNode) {
	t.Helper()
	node := new(fakeNode)
	m := New(Config{Engine: recordingEngine{e, node}, Publish: node.Publish, StateOf: func(budget.Owner) engine.State { return e }, StateError: func(err error) error { return err }})
	t.Cleanup(m.WatchSanctions(node))
	return m, node
}

// call waits for the result of a call.
func call(t *testing.T, do func(Sanction, *engine.Author, func(error)), s Sanction) (failed error) {
	t.Helper()
	calls := 0
	do(s, nil, func(err error) { failed, calls = err, calls+1 })
	if calls != 1 {
		t.Fatalf("done was called %d times", calls)
	}
	return failed
}

var bob = &token.Identity{User: "bob"}

// adminBob returns the identity of a token that makes bob an admin.
func adminBob(t *testing.T) (who *token.Identity) {
	t.Helper()
	key := token.Key{Secret: []byte("a secret of at least thirty-two bytes")}
	signer, err := token.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	v, err := token.New(token.Config{Keys: []token.Key{key}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	text, err := signer.Sign(token.Claims{User: "bob", Roles: []string{"admin"}, Expires: time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	v.Connection(text, func(got *token.Identity, err error) {
		if who = got; err != nil {
			t.Fatal(err)
		}
	})
	return who
}

// decide returns the error of policy.Decide for an identity.
func decide(m *Moderator, who *token.Identity, a policy.Action, room string) error {
	s := policy.Subject{Who: who, Addr: netip.MustParseAddr("192.0.2.7")}
	r := m.Standing(s, room)
	open := policy.OpenRights()
	r.Name, r.Rights = room, &open
	return policy.Decide(s, a, r, policy.Membership{}).Err
}

// TestSanctionsHoldUntilLifted imposes each kind of sanction on each place. It checks which users it
// binds and which may lift it, and that nothing is left after it is lifted.
func TestSanctionsHoldUntilLifted(t *testing.T) {
	admin := adminBob(t)
	for _, table := range []string{engine.TableBan, engine.TableBanIP, engine.TableMute} {
		for _, place := range []string{"", "lobby"} {
			for _, over := range []bool{false, true} {
				t.Run(fmt.Sprint(table, " in ", place, " over ", over), func(t *testing.T) {
					m, node := newModerator(t, memory.New(memory.Limits{}))
					s := Sanction{Table: table, Room: place, Who: "bob", By: "eve", Over: over}
					if table == engine.TableBanIP {
						s.Who = "192.0.2.0/24"
					}
					if err := call(t, m.Impose, s); err != nil {
						t.Fatal(err)
					}
					want := error(wire.ErrBanned)
					if table == engine.TableMute {
						want = wire.ErrMuted
					}
					if err := decide(m, bob, policy.ActSend, "lobby"); !errors.Is(err, want) {
						t.Errorf("the user may speak: %v", err)
					}
					if err := decide(m, admin, policy.ActSend, "lobby"); errors.Is(err, want) != over {
						t.Errorf("an admin: %v", err)
					}
					if err := decide(m, bob, policy.ActSend, "other"); errors.Is(err, want) != (place == "") {
						t.Errorf("in another room: %v", err)
					}
					if enforced := slices.Equal(node.enforced, []string{place + "/" + s.Who}); enforced != (table != engine.TableMute) {
						t.Errorf("enforced: %q", node.enforced)
					}
					if tells := place != "" && table != engine.TableBanIP; (len(node.events) == 1) != tells {
						t.Errorf("events: %+v", node.events)
					}
					lift := s
					lift.Over = false
					if err := call(t, m.Lift, lift); errors.Is(err, wire.ErrPermissionDenied) != over {
						t.Errorf("a moderator lifts it: %v", err)
					}
					if err := call(t, m.Lift, s); err != nil {
						t.Error(err)
					}
					if err := decide(m, bob, policy.ActSend, "lobby"); err != nil {
						t.Errorf("after it was lifted: %v", err)
					}
					if m.HasNetworks() || len(m.bans)+len(m.mutes)+len(m.networks)+len(m.lengths) > 0 {
						t.Errorf("the cache still has %v %v %v %v", m.bans, m.mutes, m.networks, m.lengths)
					}
				})
			}
		}
	}
}

// TestMutesEnd checks that a mute ends at its time, whether or not the engine has removed it.
func TestMutesEnd(t *testing.T) {
	m, _ := newModerator(t, memory.New(memory.Limits{Now: new(enginetest.Clock).Now}))
	m.storeMute(engine.Entry{}, engine.Entry{Key: engine.Key{Table: engine.TableMute, Name: "bob"}, Value: []byte("{}"), Expires: time.Now().Add(-time.Second)})
	if err := decide(m, bob, policy.ActSend, "lobby"); err != nil {
		t.Errorf("after the end: %v", err)
	}
	m.storeMute(engine.Entry{}, engine.Entry{Key: engine.Key{Table: engine.TableMute, Name: "bob"}, Value: []byte("{}"), Expires: time.Now().Add(time.Hour)})
	if err := decide(m, bob, policy.ActSend, "lobby"); !errors.Is(err, wire.ErrMuted) {
		t.Errorf("before the end: %v", err)
	}
}

// TestRemoveFromRoster checks which bans remove a user from a roster.
func TestRemoveFromRoster(t *testing.T) {
	const place = "$team"
	admin := adminBob(t)
	for _, c := range []struct {
		name    string
		ban     *Sanction
		as      []*token.Identity
		removed bool
	}{
		{"an admin's ban, when it is imposed", &Sanction{Room: place, Over: true}, nil, true},
		{"a moderator's ban without a token of the user", &Sanction{Room: place}, nil, false},
		{"a moderator's ban of a user", &Sanction{Room: place}, []*token.Identity{bob}, true},
		{"a moderator's ban of an admin", &Sanction{Room: place}, []*token.Identity{admin}, false},
		{"a moderator's ban of a user that is an admin on another connection", &Sanction{Room: place}, []*token.Identity{bob, admin}, false},
		{"a ban on the whole server", &Sanction{Over: true}, []*token.Identity{bob}, false},
		{"a ban in another room", &Sanction{Room: "$other", Over: true}, []*token.Identity{bob}, false},
		{"no ban", nil, []*token.Identity{bob}, false},
	} {
		e := memory.New(memory.Limits{})
		m, _ := newModerator(t, e)
		k := engine.Key{Table: engine.TableMember, Of: place, Name: "bob"}
		e.Put(engine.Entry{Key: k, Value: []byte("{}")}, func(_ uint64, err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
		if c.ban != nil {
			c.ban.Table, c.ban.Who = engine.TableBan, "bob"
			if err := call(t, m.Impose, *c.ban); err != nil {
				t.Fatal(err)
			}
		}
		m.RemoveFromRoster(place, "bob", c.as...)
		e.Get(k, func(got engine.Entry, err error) {
			if err != nil || (got.Version == 0) != c.removed {
				t.Errorf("%s: %+v, %v", c.name, got, err)
			}
		})
	}
}

// TestKick checks the control message of a kick.
func TestKick(t *testing.T) {
	m, node := newModerator(t, memory.New(memory.Limits{}))
	for _, place := range []string{"lobby", ""} {
		if err := call(t, m.Kick, Sanction{Room: place, Who: "bob"}); err != nil {
			t.Fatal(err)
		}
	}
	in, out := node.controls[0], node.controls[1]
	if in.Kind != engine.ControlUnsubscribe || in.Room != "lobby" || in.To.User != "bob" || !in.To.ExceptAdmins {
		t.Errorf("out of a room: %+v", in)
	}
	if out.Kind != engine.ControlDisconnect || out.Code != uint32(wire.DisconnectForceNoReconnect) || out.To.User != "bob" {
		t.Errorf("off the server: %+v", out)
	}
}

// changing is an engine whose entries change before each write.
type changing struct {
	engine.Engine
	tries int
}

func (e *changing) Put(_ engine.Entry, done func(uint64, error)) {
	e.tries++
	done(0, engine.ErrVersion)
}

func (e *changing) Delete(_ engine.Key, _ uint64, done func(error)) {
	e.tries++
	done(engine.ErrVersion)
}

// TestMoreAndMoreChanges checks that a sanction whose entry others change all the time ends with an error.
func TestMoreAndMoreChanges(t *testing.T) {
	e := &changing{Engine: memory.New(memory.Limits{})}
	m, _ := newModerator(t, e)
	mute := Sanction{Table: engine.TableMute, Room: "r", Who: "bob"}
	for name, do := range map[string]func(Sanction, *engine.Author, func(error)){"impose": m.Impose, "lift": m.Lift} {
		e.tries = 0
		if err := call(t, do, mute); !errors.Is(err, engine.ErrVersion) || e.tries != maxTries {
			t.Errorf("%s: %v after %d tries", name, err, e.tries)
		}
	}
}
