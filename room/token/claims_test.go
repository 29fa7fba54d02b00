package token

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestIdentity checks that each claim of a connection token is stored in the right field.
func TestIdentity(t *testing.T) {
	v := open(t, allKeys(t))
	yes, no := &Flag{true}, &Flag{false}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	second := func(n int64) time.Time { return time.Unix(n, 0) }
	for claims, want := range map[string]Identity{
		`{}`:                     {},
		`{"iat":1767268000}`:     {IssuedAt: second(1767268000)},
		`{"sub":null}`:           {},
		`{"sub":"u","jti":"t1"}`: {User: "u", ID: "t1"},
		`{"exp":1900000000}`:     {Expires: second(1900000000), TokenExpires: second(1900000000)},
		`{"exp":1900000000,"expire_at":1800000000}`: {Expires: second(1800000000), TokenExpires: second(1900000000)},
		`{"exp":1900000000,"expire_at":0}`:          {TokenExpires: second(1900000000)},
		`{"info":{"name":"U"},"meta":{"a":[1, 2]}}`: {Info: raw(`{"name":"U"}`), Meta: raw(`{"a":[1, 2]}`)},
		`{"info":1,"b64info":"eyJhIjoKMn0="}`:       {Info: raw(`{"a":2}`)},
		`{"info":null}`:                             {},
		`{"channels":["b","a","b"]}`:                {Channels: []Channel{{Name: "a"}, {Name: "b"}}},
		`{"channels":["b","a"],"subs":{"b":{"info":{"x":1},"b64data":"Mg==","override":{"presence":{"value":true},"join_leave":{"value":false}}}}}`: {
			Channels: []Channel{{Name: "a"}, {Name: "b", Info: raw(`{"x":1}`), Data: raw("2"), Override: Override{Presence: yes, JoinLeave: no}}}},
		`{"unknown":{"deep":[{}]}}`: {},
	} {
		id, err := connection(t, v, good(claims))
		if err != nil {
			t.Errorf("%s: %v", claims, err)
		} else if !reflect.DeepEqual(*id, want) {
			t.Errorf("%s:\n%+v, want\n%+v", claims, *id, want)
		}
	}
	for _, claims := range []string{
		`{"channels":"a"}`, `{"channels":[""]}`, `{"channels":[1]}`, `{"channels":["a\rb"]}`, `{"subs":["a"]}`, `{"subs":{"":{}}}`,
		`{"subs":{"a":{"b64info":"x"}}}`, `{"subs":{"a":{"b64data":"x"}}}`, `{"caps":{}}`, `{"caps":[{"channels":"a"}]}`,
		`{"caps":[{"channels":["a"],"match":"regex","allow":["pub"]}]}`, `{"role":1}`, `{"role":""}`, `{"roles":["@a"]}`, `{"roles":["a@"]}`,
		`{"jti":1}`, `{"b64info":"eA"}`, `{"expire_at":"0"}`,
		`{"b64info":"eA=="}`, `{"b64info":"eyJuYW1lIjo="}`, `{"info":{"a":1,"a":2}}`, `{"info":"\ud83d"}`, `{"info":{"deep":[{"a":1,"a":1}]}}`,
		`{"meta":{"a":1,"a":2}}`, `{"subs":{"a":{"b64data":"eA=="}}}`, `{"subs":{"a":{"info":{"a":1,"a":2}}}}`, `{"b64info":"MQoy"}`,
		`{"info":` + strings.Repeat("[", 51) + strings.Repeat("]", 51) + `}`,
	} {
		if _, err := connection(t, v, good(claims)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", claims, err)
		}
	}
}

// TestSubscription checks that each claim of a subscription token is stored in the right field.
func TestSubscription(t *testing.T) {
	v := open(t, allKeys(t))
	s, err := subscription(t, v, good(`{"sub":"u","client":"c1","channel":"news","jti":"t1","iat":1767268000,"exp":1900000000,
		"expire_at":1800000000,"info":{"a":1},"allow":["pub","hst"],"override":{"force_recovery":{"value":true}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Grants.Allows(Publish|History, "news") || s.Grants.Allows(Presence, "news") || s.Grants.Allows(Publish, "other") {
		t.Errorf("the grants are %+v", s.Grants)
	}
	s.Grants = Grants{}
	want := Subscription{User: "u", Client: "c1", Channel: "news", ID: "t1", IssuedAt: time.Unix(1767268000, 0), Expires: time.Unix(1800000000, 0),
		TokenExpires: time.Unix(1900000000, 0), Info: json.RawMessage(`{"a":1}`), Override: Override{ForceRecovery: &Flag{true}}}
	if !reflect.DeepEqual(*s, want) {
		t.Errorf("%+v, want\n%+v", *s, want)
	}
	if s, err := subscription(t, v, good(`{"channel":"*"}`)); err != nil || s.User != "" || s.Grants.Allows(Subscribe, "*") {
		t.Errorf("%+v, %v", s, err)
	}
}
