package chat

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/centrifuge-go"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// TestIdsOfAnother checks that no combination of user name and id gives the result of another
// user's message.
func TestIdsOfAnother(t *testing.T) {
	h := build(t, room.Config{})
	for _, pair := range [][2]struct{ user, id string }{
		{{"ann", "lee x"}, {"ann lee", "x"}},
		{{"eve", `" y`}, {`eve" "`, "y"}},
		{{`q\`, `" z`}, {`q\" `, "z"}},
	} {
		seen := map[string]bool{}
		for _, one := range pair {
			data, err := json.Marshal(map[string]any{"room": "lobby", "id": one.id, "data": "same"})
			if err != nil {
				t.Fatal(err)
			}
			got := h.come(one.user).must("send", string(data))
			if seen[got] {
				t.Errorf("%q with %q gets another's answer: %s", one.user, one.id, got)
			}
			seen[got] = true
		}
	}
}

// TestTokenInfoThatIsNoJSON checks that a token with an invalid info is refused when the token is
// read, for connections and subscriptions. Otherwise its user would appear in lists that nobody can
// read.
func TestTokenInfoThatIsNoJSON(t *testing.T) {
	h := build(t, room.Config{})
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "eve", "b64info": base64.StdEncoding.EncodeToString([]byte(`{"name":`))}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	eve := h.connect(wire.Protobuf, "eve", centrifuge.Config{Token: text})
	eve.expect("disconnected 3500 invalid token")
}

// TestDataThatReadersRefuse checks that invalid data is error 107 in every command and call, and
// that it makes nobody's list fail.
func TestDataThatReadersRefuse(t *testing.T) {
	h := build(t, room.Config{})
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		eve := h.comeAs(enc, "eve")
		eve.join("lobby")
		sent := eve.must("send", `{"room":"lobby","data":{"text":"good"}}`)
		at := strings.TrimSuffix(strings.TrimPrefix(sent[:strings.Index(sent, ",")], `{"offset":`), ",")
		for _, data := range []string{
			`{"text":"a","text":"b"}`, `{"text":"x\ud83d"}`, `{"a":[{"b":{"c":1,"c":2}}]}`, `{"\ude00":1}`, `["\ud83d\ud83d"]`, `{"text":"a","\u0074ext":"b"}`,
		} {
			if _, err := eve.Publish(t.Context(), "lobby", []byte(data)); !isCode(err, wire.ErrBadRequest) {
				t.Errorf("%v: publish %s: %v", enc, data, err)
			}
			for method, body := range map[string]string{"send": `{"room":"lobby","data":` + data + `}`, "edit": `{"room":"lobby","offset":` + at + `,"data":` + data + `}`} {
				if _, fault := eve.call(method, body); !strings.HasPrefix(fault, "107") {
					t.Errorf("%v: %s %s: %q", enc, method, data, fault)
				}
			}
		}
		eve.must("messages", `{"room":"lobby"}`)
		eve.must("rooms", `{}`)
	}
}

func isCode(err error, code wire.ErrorCode) bool {
	var e *centrifuge.Error
	return errors.As(err, &e) && e.Code == uint32(code)
}

// TestMutedSayNothingAround checks that a mute also forbids titles and invitations.
func TestMutedSayNothingAround(t *testing.T) {
	h := build(t, room.Config{})
	root, bob := h.come("root", "admin"), h.come("bob")
	calls := map[string]string{"room.create": `{"room":"lobby","title":"LOUD","users":["alice"]}`, "room.invite": `{"room":"lobby","user":"alice"}`}
	for _, c := range []struct {
		method, data string
		want         wire.ErrorCode
	}{{"mute", `{"room":"lobby","user":"bob"}`, wire.ErrMuted}, {"unmute", `{"room":"lobby","user":"bob"}`, 0}, {"mute", `{"user":"bob"}`, wire.ErrMuted},
		{"unmute", `{"user":"bob"}`, 0}, {"room.set", `{"room":"lobby","locked":true}`, wire.ErrLocked}} {
		root.must(c.method, c.data)
		for call, data := range calls {
			if c.want != 0 {
				bob.refused(c.want, call, data)
			}
		}
		if c.want == wire.ErrMuted && !strings.Contains(c.data, "room") {
			bob.refused(wire.ErrMuted, "room.create", `{"title":"LOUD","users":["alice"]}`)
		}
	}
	root.must("room.set", `{"room":"lobby","locked":false}`)
	bob.must("room.invite", `{"room":"lobby","user":"alice"}`)
	alice := h.come("alice")
	wstest.Eventually(t, "alice is told", func() bool { return h.told("alice") > 0 }) // the call does not wait for that
	if n := h.told("alice"); n != 1 {
		t.Errorf("alice was told %d times", n)
	}
	alice.must("rooms", `{}`)
}

// told returns the number of events in a user's personal room.
func (h *house) told(user string) (n int) {
	h.engine().History("#"+user, engine.Span{Limit: -1}, func(got engine.History, _ error) { n = len(got.Publications) })
	return n
}

// TestForgottenMessageIsTakenBack checks that a message that the history has forgotten can be
// deleted, by its author or a moderator, as long as the history has an edit of it.
func TestForgottenMessageIsTakenBack(t *testing.T) {
	short := talkative()
	short.History.Messages = 3
	h := build(t, room.Config{Options: policy.Patterns{{Match: "*", Options: short}}.Options})
	alice, bob, mod := h.come("alice"), h.come("bob"), h.come("mod", "moderator")
	for _, p := range []*person{alice, mod} {
		var first sendResult
		if err := json.Unmarshal([]byte(alice.must("send", `{"room":"lobby","data":{"text":"secret"}}`)), &first); err != nil {
			t.Fatal(err)
		}
		at := fmt.Sprintf(`{"room":"lobby","offset":%d`, first.Offset)
		alice.must("edit", at+`,"data":{"text":"secret, too"}}`)
		bob.must("send", `{"room":"lobby","data":{"text":"x"}}`)
		bob.must("send", `{"room":"lobby","data":{"text":"y"}}`)
		if got := strings.Join(h.texts("lobby"), " "); got != `{"text":"secret, too"} {"text":"x"} {"text":"y"}` {
			t.Fatalf("the history has %s", got)
		}
		for call, more := range map[string]string{"edit": `,"data":{}}`, "react": `,"emoji":"👍"}`} {
			alice.refused(wire.ErrNoMessage, call, at+more)
		}
		alice.refused(wire.ErrNoMessage, "send", fmt.Sprintf(`{"room":"lobby","reply":%d,"data":{}}`, first.Offset))
		bob.refused(wire.ErrPermissionDenied, "delete", at+`}`)
		if p.must("delete", at+`}`); strings.Contains(strings.Join(h.texts("lobby"), " "), "secret") {
			t.Errorf("the history has %s", h.texts("lobby"))
		}
		for range 3 {
			bob.must("send", `{"room":"lobby","data":{"text":"z"}}`)
		}
		alice.refused(wire.ErrNoMessage, "delete", at+`}`)
	}
}

// TestMembersPages checks the pages of the roster together with the users that are present, by
// their names.
func TestMembersPages(t *testing.T) {
	h := build(t, room.Config{})
	for _, user := range []string{"u2", "u4", "u6", "u8"} {
		h.enter("lobby", user, "")
	}
	for _, user := range []string{"", "u1", "u4", "u7"} {
		h.come(user).join("lobby")
	}
	asker := h.come("asker")
	for _, limit := range []int{1, 2, 3, 7, 8} {
		var got []string
		for after, more := "", true; more; {
			var res membersResult
			if err := json.Unmarshal([]byte(asker.must("members", fmt.Sprintf(`{"room":"lobby","limit":%d%s}`, limit, after))), &res); err != nil {
				t.Fatal(err)
			}
			for _, m := range res.Members {
				got = append(got, fmt.Sprintf("%s:%v", m.User, m.Online != nil && *m.Online))
				after = fmt.Sprintf(`,"after":%q`, m.User)
			}
			if more = res.More; len(res.Members) > limit || more && len(res.Members) < limit {
				t.Fatalf("a page of %d has %d", limit, len(res.Members))
			}
		}
		if want := "[:true u1:true u2:false u4:true u6:false u7:true u8:false]"; fmt.Sprint(got) != want {
			t.Errorf("by %d: %s", limit, got)
		}
	}
	for _, limit := range []string{"0", "1001", `"x"`} {
		asker.refused(wire.ErrBadRequest, "members", `{"room":"lobby","limit":`+limit+`}`)
	}
}
