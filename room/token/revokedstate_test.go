package token

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
)

// revoked has a revoked user, and a revoked token.
func revoked(t testing.TB) *Revoked {
	r := &Revoked{Now: func() time.Time { return time.Unix(100, 0) }}
	for _, err := range []error{
		r.RevokeUser("ann", time.Unix(50, 0), time.Unix(200, 0)), r.RevokeID("jti", time.Time{}),
		r.RevokeUser("over", time.Unix(50, 0), time.Unix(60, 0)), r.RevokeID("over", time.Unix(60, 0)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func exported(r *Revoked, i *Identity) []byte {
	var e snapshot.Encoder
	e.Message(1, r.Export)
	e.Message(2, i.Encode)
	return e.B
}

func imported(state []byte, r *Revoked) (i *Identity, err error) {
	i = Anonymous
	d := snapshot.Decode(state)
	for field := d.Next(); field != 0 && err == nil; field = d.Next() {
		switch field {
		case 1:
			err = r.Import(d.Message())
		case 2:
			i, err = DecodeIdentity(d.Message())
		}
	}
	if err == nil {
		err = d.Err()
	}
	return i, err
}

// TestRevokedState checks that revocations hold in another process, and that those that are over do not come with them.
func TestRevokedState(t *testing.T) {
	r := &Revoked{Now: func() time.Time { return time.Unix(100, 0) }}
	state := exported(revoked(t), Anonymous)
	if _, err := imported(state, r); err != nil || r.Len() != 2 {
		t.Fatalf("%d entries, %v", r.Len(), err)
	}
	if !r.Check("ann", "", time.Unix(50, 0)) || r.Check("ann", "", time.Unix(51, 0)) || !r.Check("bob", "jti", time.Time{}) {
		t.Error("other tokens are revoked")
	}
	if _, err := imported(state, &Revoked{Max: 1, Now: r.Now}); !errors.Is(err, ErrFull) {
		t.Errorf("more than fit: %v", err)
	}
}

// TestGolden checks that this program reads and writes the state of each version that it knows.
func TestGolden(t *testing.T) {
	state := wstest.Golden(t, "v1", exported(revoked(t), fullIdentity()))
	r := &Revoked{Now: func() time.Time { return time.Unix(100, 0) }}
	i, err := imported(state, r)
	if err != nil || !bytes.Equal(exported(r, i), state) {
		t.Errorf("it is read as something else: %v", err)
	}
}

// FuzzImport checks that no state makes the readers panic, and that what they read they can write.
func FuzzImport(f *testing.F) {
	f.Add(exported(revoked(f), fullIdentity()))
	f.Fuzz(func(t *testing.T, state []byte) {
		r := new(Revoked)
		i, err := imported(state, r)
		if err != nil {
			return
		}
		if _, err := imported(exported(r, i), new(Revoked)); err != nil {
			t.Error(err)
		}
	})
}
