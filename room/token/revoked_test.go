package token

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestRevoked(t *testing.T) {
	now := noon
	r := &Revoked{Max: 3, Now: func() time.Time { return now }}
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(user, id string, issued time.Time, want bool) {
		t.Helper()
		if got := r.Check(user, id, issued); got != want {
			t.Errorf("at %v the token %q of %q, issued at %v, is revoked: %v", now.Sub(noon), id, user, issued.Sub(noon), got)
		}
	}
	check("u", "t", time.Time{}, false)
	must(r.RevokeUser("u", at(0), at(100)))
	must(r.RevokeID("t", at(50)))
	must(r.RevokeID("", time.Time{})) // must not revoke all tokens without an id
	check("u", "", at(0), true)
	check("u", "", at(1), false)
	check("u", "", time.Time{}, true)
	check("v", "", time.Time{}, false)
	check("v", "t", at(10), true)

	if err := r.RevokeID("one too many", at(50)); !errors.Is(err, ErrFull) {
		t.Errorf("the store exceeds its limit: %v", err)
	}
	must(r.RevokeUser("u", at(-10), at(10))) // weaker: changes nothing
	now = at(10)
	check("u", "", at(0), true)
	must(r.RevokeUser("u", at(5), at(60))) // later since, earlier end
	now = at(99)
	check("u", "", at(5), true)
	check("v", "t", at(10), false) // its entry ended at 50
	must(r.RevokeID("room again", time.Time{}))
	if r.Len() != 3 {
		t.Errorf("%d entries", r.Len())
	}
	now = at(100)
	check("u", "", at(0), false)
	must(r.RevokeUser("u", at(-50), at(200))) // the first entry has ended and no longer counts
	check("u", "", at(0), false)
	now = at(1 << 30)
	check("x", "room again", now, true)
}

// TestRevokedAtOnce is for the race detector.
func TestRevokedAtOnce(t *testing.T) {
	r := &Revoked{Max: 100}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 100 {
				name := fmt.Sprint(i, "/", n)
				if r.RevokeUser(name, time.Now(), time.Time{}) == nil && !r.Check(name, "", time.Time{}) {
					t.Errorf("%s is not revoked", name)
				}
				_ = r.RevokeID(name, time.Now())
			}
		})
	}
	all.Wait()
	if n := r.Len(); n > 100 {
		t.Errorf("%d entries, at most 100 are allowed", n)
	}
}
