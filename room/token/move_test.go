package token

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"webim/netpoll/snapshot"
)

func fullIdentity() *Identity {
	yes, no := &Flag{true}, &Flag{}
	return &Identity{
		User: "ann", ID: "jti", IssuedAt: time.Unix(10, 0), Expires: time.Unix(20, 0), TokenExpires: time.Unix(30, 0),
		Info: json.RawMessage(`{"name":"Ann"}`), Meta: json.RawMessage(`1`),
		Channels: []Channel{
			{Name: "a", Info: json.RawMessage(`2`), Data: json.RawMessage(`3`), Override: Override{yes, no, nil, yes, no}},
			{Name: "b", Override: Override{nil, nil, no, nil, nil}},
		},
		Grants: Grants{caps: []grant{{rooms: []string{"", "team-*"}, wildcard: true, allow: Publish | History}, {allow: Subscribe}}, roles: []roleGrant{{"moderator", "*"}}},
	}
}

// TestIdentityState checks that an identity is the same in another process, with each field and with none.
func TestIdentityState(t *testing.T) {
	for _, want := range []*Identity{fullIdentity(), {User: "bob"}, Anonymous} {
		var e snapshot.Encoder
		want.Encode(&e)
		got, err := DecodeIdentity(snapshot.Decode(e.B))
		if err != nil || !reflect.DeepEqual(got, want) || want == Anonymous && got != want {
			t.Errorf("%+v, %v\nwant %+v", got, err, want)
		}
		for i := range e.B {
			bad := bytes.Clone(e.B)
			bad[i] ^= 0x83
			_, _ = DecodeIdentity(snapshot.Decode(bad)) // never a panic
			_, _ = DecodeIdentity(snapshot.Decode(bad[:i]))
		}
	}
	fields := reflect.ValueOf(*fullIdentity())
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Errorf("the test does not set %s", fields.Type().Field(i).Name)
		}
	}
}
