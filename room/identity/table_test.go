package identity

import (
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

func TestMain(m *testing.M) { wstest.Main(m) }

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// session is a Session without a dialect. Tests call only the methods that it has.
type session struct {
	State
	dialect
	made int // how often AuthorIn was called
}

// dialect has the methods of a Session that no test calls.
type dialect interface {
	Encoding() wire.Encoding
	ClientID() string
	Membership(room string) (policy.Membership, bool)
	Rooms() []string
	Apply(engine.ControlMessage)
	Leave(room string)
	Rejudge()
	Disconnect(wire.DisconnectCode)
}

func newSession(user string) *session {
	s := new(session)
	s.Init(&token.Identity{User: user}, budget.User(user))
	return s
}

func (s *session) Conn() netpoll.Conn { return netpoll.Conn{} }

func (s *session) AuthorIn(string) engine.Author {
	s.made++
	return engine.Author{User: s.Identity().User, ConnInfo: s.Identity().Info}
}

// TestTable checks that a session is registered once, is counted, and does not come back.
func TestTable(t *testing.T) {
	var all Table
	count := func(sessions, anonymous, named int) {
		t.Helper()
		if s, a, n := all.Count(); s != sessions || a != anonymous || n != named {
			t.Errorf("counts %d, %d, %d; want %d, %d, %d", s, a, n, sessions, anonymous, named)
		}
	}
	sessions := []*session{newSession("a"), newSession("a"), newSession("b"), newSession("")}
	for _, s := range sessions {
		all.Add(s)
	}
	all.Add(sessions[0])
	count(4, 1, 2)
	if got := all.Of("a"); len(got) != 2 || !all.Has(sessions[0]) {
		t.Errorf("a has the connections %v", got)
	}
	for _, s := range sessions {
		all.Remove(s)
		all.Remove(s)
	}
	count(0, 0, 0)
	all.Add(sessions[0])
	count(0, 0, 0)
	if !all.HasEnded(sessions[0]) || all.Has(sessions[0]) || len(all.Of("a")) > 0 {
		t.Error("a session that was removed came back")
	}
}

// TestSenderOf checks that a session is the same author each time, until its identity changes.
func TestSenderOf(t *testing.T) {
	s := newSession("ann")
	first := SenderOf(s)
	if again := SenderOf(s); again != first || s.made != 1 || first.User != "ann" {
		t.Errorf("%p %+v, then %p; made %d times", first, first, again, s.made)
	}
	s.Update(func(who *token.Identity) { who.Info = []byte(`{"name":"Ann"}`) })
	if now := SenderOf(s); now == first || string(now.ConnInfo) != `{"name":"Ann"}` {
		t.Errorf("after a new token: %+v", now)
	}
	if string(first.ConnInfo) != "" {
		t.Errorf("the author of earlier messages has changed: %+v", first)
	}
}
