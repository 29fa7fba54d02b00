package control

import (
	"errors"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/token"
	"webim/room/wire"
)

// TestCheck checks which control messages are sent, and in which form.
func TestCheck(t *testing.T) {
	ann := engine.Target{User: "ann"}
	for name, c := range map[string]struct {
		m    engine.ControlMessage
		want error
	}{
		"nobody":           {engine.ControlMessage{Kind: engine.ControlSend}, ErrNoTarget},
		"a client":         {engine.ControlMessage{Kind: engine.ControlSend, To: engine.Target{Client: "c"}}, nil},
		"a session":        {engine.ControlMessage{Kind: engine.ControlSend, To: engine.Target{Session: "c"}}, nil},
		"a token":          {engine.ControlMessage{Kind: engine.ControlRevoke, Token: "t"}, nil},
		"a token to send":  {engine.ControlMessage{Kind: engine.ControlSend, Token: "t"}, ErrNoTarget},
		"no room":          {engine.ControlMessage{Kind: engine.ControlSubscribe, To: ann}, wire.CheckRoomName("")},
		"all rooms":        {engine.ControlMessage{Kind: engine.ControlUnsubscribe, To: ann}, nil},
		"a low code":       {engine.ControlMessage{Kind: engine.ControlDisconnect, To: ann, Code: 2999}, ErrInvalid},
		"the lowest code":  {engine.ControlMessage{Kind: engine.ControlDisconnect, To: ann, Code: 3000}, nil},
		"the highest code": {engine.ControlMessage{Kind: engine.ControlDisconnect, To: ann, Code: 4999}, nil},
		"a high code":      {engine.ControlMessage{Kind: engine.ControlDisconnect, To: ann, Code: 5000}, ErrInvalid},
		"a reason":         {engine.ControlMessage{Kind: engine.ControlDisconnect, To: ann, Code: 3000, Reason: strings.Repeat("x", 123)}, nil},
		"a long reason":    {engine.ControlMessage{Kind: engine.ControlDisconnect, To: ann, Code: 3000, Reason: strings.Repeat("x", 124)}, ErrInvalid},
		"no JSON":          {engine.ControlMessage{Kind: engine.ControlSend, To: ann, Data: []byte("{")}, ErrInvalid},
		"no JSON as info":  {engine.ControlMessage{Kind: engine.ControlRefresh, To: ann, Info: []byte("a b")}, ErrInvalid},
	} {
		if err := check(&c.m); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	m := engine.ControlMessage{Kind: engine.ControlSubscribe, To: ann, Room: "e\u0301"}
	if err := check(&m); err != nil || m.Room != "\u00e9" {
		t.Errorf("the name of the room is %q, %v", m.Room, err)
	}
}

// TestApply checks which connections a control message reaches.
func TestApply(t *testing.T) {
	n := start(t, newEngine(), nil)
	a, b, bob := n.session("/r/ann/a"), n.session("/r/ann/b"), n.session("/r/bob/c")
	plainAnn, _ := n.join("/r/ann")
	nobody, _ := n.join("/r/")
	send := func(m engine.ControlMessage, code uint32) {
		t.Helper()
		m.Kind, m.Code, m.Reason = engine.ControlDisconnect, code, "out"
		if err := n.send(m); err != nil {
			t.Fatal(err)
		}
	}
	send(engine.ControlMessage{To: engine.Target{User: "ann", Except: []string{"b"}}}, 4100)
	n.saw(a, "apply out")
	n.saw(b)
	n.saw(bob)
	plainAnn.ExpectClose(4100)
	send(engine.ControlMessage{To: engine.Target{Client: "c"}}, 4200)
	n.saw(a)
	n.saw(bob, "apply out")
	plain := identity.AuthorOf(n.conns[4], "").Client
	send(engine.ControlMessage{To: engine.Target{Client: plain}}, 4300)
	n.saw(bob)
	nobody.ExpectClose(4300)
}

// TestApplyToAnonymous checks that a control message reaches a plain connection without a token by its client
// id, although there is no connection with a token.
func TestApplyToAnonymous(t *testing.T) {
	n := start(t, newEngine(), nil)
	c, _ := n.join("/r/")
	other, _ := n.join("/r/")
	to := engine.Target{Client: identity.AuthorOf(n.conns[0], "").Client}
	if err := n.send(engine.ControlMessage{Kind: engine.ControlDisconnect, To: to, Code: 4100}); err != nil {
		t.Fatal(err)
	}
	c.ExpectClose(4100)
	other.Leave()
}

// TestUnsubscribeClosesPlain checks that a plain connection is closed where a session leaves its room, and
// that the other rooms are not walked.
func TestUnsubscribeClosesPlain(t *testing.T) {
	n := start(t, newEngine(), nil)
	here, _ := n.join("/r/ann")
	other, _ := n.join("/s/ann")
	if err := n.send(engine.ControlMessage{Kind: engine.ControlUnsubscribe, To: engine.Target{User: "ann"}, Room: "r"}); err != nil {
		t.Fatal(err)
	}
	here.ExpectClose(int(wire.DisconnectForceNoReconnect))
	if err := n.send(engine.ControlMessage{Kind: engine.ControlRefresh, To: engine.Target{User: "ann"}, Expires: time.Now().Add(-time.Second)}); err != nil {
		t.Fatal(err)
	}
	other.ExpectClose(int(wire.DisconnectExpired))
	if len(n.walked) != 1 || n.walked[0] != "r" {
		t.Errorf("the rooms %q were walked", n.walked)
	}
}

// TestRegister checks that a session is found from Register to Unregister, and that a ban or a revocation
// which came before is found by Register.
func TestRegister(t *testing.T) {
	e := newEngine()
	revoked := &token.Revoked{}
	n := start(t, e, revoked)
	gone, _ := n.join("/r/ann/a")
	b := n.session("/r/ann/b")
	gone.HangUp()
	wstest.Eventually(t, "the first session has ended", func() bool { k, _, _ := n.Count(); return k == 1 })
	if err := n.send(engine.ControlMessage{Kind: engine.ControlSend, To: engine.Target{User: "ann"}, Reason: "hello"}); err != nil {
		t.Fatal(err)
	}
	n.saw(b, "apply hello")
	if n.HasEnded(b) {
		t.Error("the second session has ended, too")
	}
	ban(t, e, "", "eve")
	if err := n.send(engine.ControlMessage{Kind: engine.ControlRevoke, Token: "token of max"}); err != nil {
		t.Fatal(err)
	}
	n.saw(n.session("/r/eve/e"), wire.DisconnectBanned.Error())
	n.saw(n.session("/r/max/m"), wire.DisconnectInvalidToken.Error())
}
