package control

import (
	"errors"
	"strings"
	"testing"
	"time"

	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// TestRevocationIsNeverWeakened checks that a later revocation of a user keeps the later time of issue and
// the later end, and that a node which starts later enforces both.
func TestRevocationIsNeverWeakened(t *testing.T) {
	e := newEngine()
	now := time.Now()
	n := start(t, e, &token.Revoked{})
	for _, m := range []engine.ControlMessage{
		{At: now, Until: now.Add(time.Hour)},
		{At: now.Add(-time.Minute), Until: now.Add(2 * time.Hour)},
		{At: now.Add(-time.Minute), Until: now.Add(time.Minute)},
	} {
		m.Kind, m.To.User = engine.ControlRevoke, "ann"
		if err := n.send(m); err != nil {
			t.Fatal(err)
		}
	}
	e.Get(engine.Key{Table: engine.TableRevoked, Of: "ann"}, func(got engine.Entry, err error) {
		if err != nil || !revokedAt(got.Value).Equal(time.Unix(0, now.UnixNano())) || !got.Expires.Equal(now.Add(2*time.Hour)) {
			t.Errorf("until %v, of tokens until %v, %v; the time is %v", got.Expires, revokedAt(got.Value), err, now)
		}
	})
	later := &token.Revoked{}
	start(t, e, later)
	if !later.Check("ann", "", now) || later.Check("ann", "", now.Add(time.Minute)) || later.Check("bob", "", now) {
		t.Error("a node that starts later does not know the revocation")
	}
}

// TestStateHoldsAtTheStart checks that a node which starts with bans and revocations in the State judges its first client by
// them, however late posted work comes, and that it posts none for them.
func TestStateHoldsAtTheStart(t *testing.T) {
	e := newEngine()
	first := start(t, e, &token.Revoked{})
	for _, m := range []engine.ControlMessage{{Token: "token of max"}, {To: engine.Target{User: "ann"}, At: time.Now()}} {
		m.Kind = engine.ControlRevoke
		if err := first.send(m); err != nil {
			t.Fatal(err)
		}
	}
	ban(t, e, "", "eve")
	ban(t, e, "r", "bob")
	put(t, e, engine.Tombstone("gone", time.Now()))
	put(t, e, engine.Entry{Key: engine.Key{Table: engine.TableBanIP, Of: "s", Name: "127.0.0.0/8"}, Value: []byte("{}"), Version: engine.AnyVersion})
	n := start(t, e, &token.Revoked{})
	n.saw(n.session("/r/max/a"), wire.DisconnectInvalidToken.Error())
	n.saw(n.session("/r/ann/b"), wire.DisconnectInvalidToken.Error())
	n.saw(n.session("/r/eve/c"), wire.DisconnectBanned.Error())
	for room, banned := range map[string]bool{"r": true, "s": true, "t": false} {
		bob := n.session("/" + room + "/bob/" + room)
		j := n.cfg.Judge
		if n.saw(bob); j.IsBanned(j.SubjectOf(bob), room) != banned {
			t.Errorf("bob is banned in %s: %v, want %v", room, !banned, banned)
		}
	}
	if len(n.posted) > 0 {
		t.Errorf("%d functions were posted for entries that were there at the start", len(n.posted))
	}
}

// TestChangeHoldsBeforePostedWork checks that a ban and a revocation refuse a client at once that comes before posted work
// is done, and that the work then finds only the clients that were there before.
func TestChangeHoldsBeforePostedWork(t *testing.T) {
	e := newEngine()
	other, n := start(t, e, &token.Revoked{}), start(t, e, &token.Revoked{})
	before, banned := n.session("/r/ann/a"), n.session("/r/eve/b")
	other.cfg.Engine = &unheard{Engine: e} // only the State brings the revocation
	if err := other.send(engine.ControlMessage{Kind: engine.ControlRevoke, To: engine.Target{User: "ann"}, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	ban(t, e, "", "eve")
	n.saw(before)
	n.saw(banned)
	n.saw(n.session("/r/ann/c"), wire.DisconnectInvalidToken.Error())
	n.saw(n.session("/r/eve/d"), wire.DisconnectBanned.Error())
	n.run()
	n.saw(before, "apply ")
	n.saw(banned, wire.DisconnectBanned.Text())
}

// unheard is an engine whose control messages reach nobody.
type unheard struct{ engine.Engine }

func (unheard) SendControl(_ engine.ControlMessage, done func(error)) { done(nil) }

// TestRevocationsAtOnce checks that two revocations which overtake one another are merged.
func TestRevocationsAtOnce(t *testing.T) {
	e := newEngine()
	now := time.Now()
	second := engine.ControlMessage{Kind: engine.ControlRevoke, To: engine.Target{User: "ann"}, At: now.Add(-time.Minute)}
	n := start(t, e, &token.Revoked{})
	n.cfg.Engine = &overtaken{Engine: e, between: func() {
		if err := n.send(second); err != nil {
			t.Error(err)
		}
	}}
	first := engine.ControlMessage{Kind: engine.ControlRevoke, To: engine.Target{User: "ann"}, At: now, Until: now.Add(time.Hour)}
	if err := n.send(first); err != nil {
		t.Fatal(err)
	}
	e.Get(engine.Key{Table: engine.TableRevoked, Of: "ann"}, func(got engine.Entry, err error) {
		if err != nil || !got.Expires.IsZero() || !revokedAt(got.Value).Equal(time.Unix(0, now.UnixNano())) {
			t.Errorf("until %v, of tokens until %v, %v", got.Expires, revokedAt(got.Value), err)
		}
	})
}

// overtaken is an engine that calls between once, before it answers a Get.
type overtaken struct {
	engine.Engine
	between func()
}

func (e *overtaken) Get(k engine.Key, done func(engine.Entry, error)) {
	e.Engine.Get(k, func(got engine.Entry, err error) {
		if between := e.between; between != nil {
			e.between = nil
			between()
		}
		done(got, err)
	})
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

// TestMoreAndMoreRevocations checks that a revocation whose entry others change all the time ends with an error.
func TestMoreAndMoreRevocations(t *testing.T) {
	e := &changing{Engine: newEngine()}
	n := start(t, e.Engine, &token.Revoked{})
	n.cfg.Engine = e
	err := n.send(engine.ControlMessage{Kind: engine.ControlRevoke, To: engine.Target{User: "ann"}, At: time.Now()})
	if !errors.Is(err, engine.ErrVersion) || !wire.IsInternal(err) || e.tries != maxTries {
		t.Errorf("%v after %d tries", err, e.tries)
	}
}

// TestRevokeEndsConnections checks that the connections with a revoked token end, and that sessions are told
// because a subscription may have been made with the token.
func TestRevokeEndsConnections(t *testing.T) {
	n := start(t, newEngine(), &token.Revoked{})
	ann, bob := n.session("/r/ann/a"), n.session("/r/bob/b")
	plainAnn, _ := n.join("/r/ann")
	n.join("/r/bob")
	if err := n.send(engine.ControlMessage{Kind: engine.ControlRevoke, Token: "token of ann", Reason: "revoked"}); err != nil {
		t.Fatal(err)
	}
	n.saw(ann, "apply revoked")
	n.saw(bob, "apply revoked")
	plainAnn.ExpectClose(int(wire.DisconnectInvalidToken))
}

// TestRevokeWithoutTokens checks the error of a node that cannot revoke tokens.
func TestRevokeWithoutTokens(t *testing.T) {
	n := start(t, newEngine(), nil)
	if err := n.send(engine.ControlMessage{Kind: engine.ControlRevoke, Token: "t"}); !errors.Is(err, wire.ErrNotAvailable) {
		t.Errorf("%v", err)
	}
}

// TestRevokedIsFull checks that an operator learns of a revocation that a node has no space for.
func TestRevokedIsFull(t *testing.T) {
	e := newEngine()
	n := start(t, e, &token.Revoked{Max: 1})
	for i, id := range []string{"one", "two"} {
		if err := n.send(engine.ControlMessage{Kind: engine.ControlRevoke, Token: id}); (err != nil) != (i == 1) {
			t.Errorf("%s: %v", id, err)
		}
	}
	n.run()
	if log := n.log.String(); !strings.Contains(log, "a revoked token stays valid on this node") || !strings.Contains(log, "two") {
		t.Errorf("the log has %q", log)
	}
}
