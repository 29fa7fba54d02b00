package chat

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/centrifuge-go"
	"github.com/golang-jwt/jwt/v5"

	"webim/room"
	"webim/room/wire"
)

// TestIdsOfAnother: nobody gets at another's ids by the way names and ids are
// written together.
func TestIdsOfAnother(t *testing.T) {
	h := build(t, room.Config{}, Config{})
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

// TestInfoThatIsNoJSON, from a token's b64info, does not keep others from reading.
func TestInfoThatIsNoJSON(t *testing.T) {
	h := build(t, room.Config{}, Config{})
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "eve", "b64info": base64.StdEncoding.EncodeToString([]byte(`{"name":`))}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	eve := centrifuge.NewProtobufClient("ws://"+h.addr+room.ChatPath, centrifuge.Config{Token: text})
	t.Cleanup(eve.Close)
	if err := eve.Connect(); err != nil {
		t.Fatal(err)
	}
	sub, err := eve.NewSubscription("lobby")
	if err == nil {
		err = sub.Subscribe()
	}
	if err == nil {
		_, err = sub.Publish(t.Context(), []byte(`{"text":"x"}`))
	}
	if err != nil {
		t.Fatal(err)
	}
	alice := h.come("alice")
	if got := alice.must("messages", `{"room":"lobby"}`); !strings.Contains(got, `"user":"eve"`) || strings.Contains(got, "conn_info") {
		t.Errorf("messages: %s", got)
	}
	if got := alice.must("members", `{"room":"lobby"}`); got != `{"members":[{"user":"eve","online":true}],"more":false}` {
		t.Errorf("members: %s", got)
	}
	alice.must("room.join", `{"room":"lobby"}`)
	alice.must("rooms", `{}`)
}

// TestMutedSayNothingAround: a title and an invitation are sayings, too.
func TestMutedSayNothingAround(t *testing.T) {
	h := build(t, room.Config{}, Config{})
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
	h.hub.Engine().History("#alice", room.Span{Limit: -1}, func(got room.History, _ error) {
		if len(got.Publications) != 1 {
			t.Errorf("alice was told %d times", len(got.Publications))
		}
	})
	alice.must("rooms", `{}`)
}

// TestForgottenMessageIsTakenBack: what a message was edited to outlives it in the
// history, and can be taken back, by its author or a moderator.
func TestForgottenMessageIsTakenBack(t *testing.T) {
	short := talkative()
	short.History.Messages = 3
	h := build(t, room.Config{Options: room.Patterns{{Match: "*", Options: short}}.Options}, Config{})
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

// TestMembersPages: the roster and who else is there, by their names.
func TestMembersPages(t *testing.T) {
	h := build(t, room.Config{}, Config{})
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
				got = append(got, fmt.Sprintf("%s:%v", m.User, m.Online))
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
