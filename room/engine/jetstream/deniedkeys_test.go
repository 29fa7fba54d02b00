package jetstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/seal"
)

// TestDeniedRestore restores a key that the store has, while a server denies it: it is not stored once more.
func TestDeniedRestore(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	publish(t, a, "r", said("ann", "x"))
	record := keyRecord(t, a, "ann")
	e, _, prove := denied(t, s, "KEYS", "key.=proof-", Config{Keep: always})
	if added, err := e.userKeys.Restore(t.Context(), "ann", record); added || err != nil {
		t.Errorf("added: %v, %v", added, err)
	}
	prove()
	wantUsers(t, a, "ann")
}

// TestDeletedKeyIsReturned asks whether the key of a stored text is kept, while a server returns the key although it was deleted.
func TestDeletedKeyIsReturned(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	publish(t, a, "r", said("ann", "x"))
	e, l, _ := denied(t, s, "KEYS", "key.=proof-", Config{Keep: always})
	l.set(false, false)
	var key *seal.Key
	err := e.wait(func(done func(error)) {
		e.ring.ForSealing("ann", nil, func(k *seal.Key, err error) { key = k; done(err) })
	})
	if err != nil {
		t.Fatal(err)
	}
	one, err := a.read.Leader().Last(t.Context(), "KEYS", "key.ann")
	if err == nil {
		err = a.wait(func(done func(error)) { a.userKeys.DeleteID("ann", key.ID(), done) })
	}
	if err != nil || keyRecord(t, a, "ann") != nil {
		t.Fatalf("the key was not deleted: %v", err)
	}
	l.answer = fmt.Sprintf(`{"message":{"subject":"key.ann","seq":%d,"data":%q}}`, one.Seq, base64.StdEncoding.EncodeToString(one.Data))
	isKept := func() (is bool, err error) {
		err = e.wait(func(done func(error)) {
			e.isKept("ann", sealing{key: key, round: e.unused.view.ID() + 1}, func(kept bool, err error) { is = kept; done(err) })
		})
		return is, err
	}
	l.set(true, true)
	if is, err := isKept(); is || !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("without a marker: %v, %v", is, err)
	}
	l.set(true, false)
	if is, err := isKept(); is || err != nil {
		t.Errorf("a deleted key counts as kept: %v, %v", is, err)
	}
}

// TestDeletedKeyIsReturnedForSealing removes the key of a user without messages on one node. Then the user says something on
// another node, whose server still returns that key: the text is sealed with a new one. One proof is enough.
func TestDeletedKeyIsReturnedForSealing(t *testing.T) {
	s := startServer(t)
	a := open(t, s, collecting(nil))
	publish(t, a, "r", said("ann", "x"))
	publish(t, a, "r", said("bob", "x"))
	all := engine.Span{Limit: -1}
	one, err := a.read.Leader().Last(t.Context(), "KEYS", "key.ann")
	if err != nil {
		t.Fatal(err)
	}
	e, l, prove := denied(t, s, "KEYS", "key.=proof-", Config{Keep: always})
	l.set(false, false)
	if err := checkReadable(t, e, "r", all, "x x"); err != nil {
		t.Error(err)
	}
	l.answer = fmt.Sprintf(`{"message":{"subject":"key.ann","seq":%d,"data":%q}}`, one.Seq, base64.StdEncoding.EncodeToString(one.Data))
	expire(t, a, "r", 0)
	collectNow(t, a)
	wantUsers(t, a, "")
	version := a.state.Entry(retire.RoundKey()).Version
	wstest.Eventually(t, "the node knows that the round has ended", func() bool { _, is, _, _ := e.unused.view.Round(); return is >= version })
	l.set(true, true)
	if got := publish(t, e, "r", said("ann", "in vain")); !errors.Is(got.err, engine.ErrUnavailable) {
		t.Errorf("without a marker: %v", got.err)
	}
	l.set(true, false)
	for i, user := range []string{"ann", "bob", "cid"} {
		before := l.hasMarked()
		if got := publish(t, e, "r", said(user, user)); got.err != nil {
			t.Fatal(got.err)
		}
		if n := l.hasMarked() - before; i > 0 && n > 0 {
			t.Errorf("%s needs %d proofs", user, n)
		}
	}
	prove()
	for _, on := range []*Engine{a, e} {
		if err := checkReadable(t, on, "r", all, "ann bob cid"); err != nil {
			t.Error(err)
		}
	}
}
