package plain_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/token"
)

// TestRelay checks that each member of a room receives each message unchanged, the sender too, and that
// members of other rooms do not.
func TestRelay(t *testing.T) {
	n := start(t, room.Config{Anonymous: true})
	members := []*wstest.Client{n.join("a"), n.join("a?x"), n.joinAs("ann", "a")}
	elsewhere := []*wstest.Client{n.join(""), n.join("A"), n.join("a/")}
	for _, m := range []struct {
		b0      byte
		payload string
	}{
		{0x81, "hello"},
		{0x82, ""},
		{0x82, "\x00\xff\xfe"},
		{0x81, "日本 🎉 <script>alert(1)</script>"},
		{0x81, `{"id":1,"connect":{}}`},
		{0x82, strings.Repeat("\x00\x01", 30_000)},
		{0x81, "last"},
	} {
		for _, sender := range members {
			sender.Send(m.b0, m.payload)
			for _, c := range members {
				c.Expect(m.b0, m.payload)
			}
		}
	}
	for _, c := range elsewhere {
		said(c, "nothing before this", c)
	}
}

// TestHandshake checks the HTTP status and the reason of each refusal. The rights come before the
// limits: a client without the right to join a full room does not learn that it is full.
func TestHandshake(t *testing.T) {
	closed := policy.Rights{policy.ActJoin: policy.RoleModerator, policy.ActRead: policy.RoleModerator}
	unreadable := policy.OpenRights()
	unreadable[policy.ActRead] = policy.RoleModerator
	hooked := &fakeBackend{hook: backend.HookSubscribe}
	n := start(t, room.Config{Anonymous: true, MaxConnsPerUser: 2, MaxMembers: 3, MaxRooms: 16, Revoked: &token.Revoked{}, Backend: hooked, Options: policy.Patterns{
		{Match: "closed", Options: policy.Options{Rights: closed}},
		{Match: "unreadable", Options: policy.Options{Rights: unreadable}},
		{Match: "hooked", Options: policy.Options{}},
		{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}},
	}.Options})
	n.joinAs("busy", "one")
	n.joinAs("busy", "one")
	for range 3 {
		n.join("full")
		n.joinWith(token.Claims{Roles: []string{"moderator"}}, "closed")
	}
	wstest.Eventually(t, "all have joined", func() bool { return n.hub.Stats().Members == 8 })
	n.sanctioned(n.hub.Impose, moderation.Sanction{Table: engine.TableBan, Who: "eve", Over: true})
	n.sanctioned(n.hub.Impose, moderation.Sanction{Table: engine.TableBan, Room: "one", Who: "mallory", Over: true})
	good := func(user string) string { return "?token=" + n.token(token.Claims{User: user}, time.Hour) }
	revoked := n.token(token.Claims{User: "ann", ID: "lost"}, time.Hour)
	must(t, n.hub.Config().Revoked.RevokeID("lost", time.Time{}))
	for _, c := range []struct {
		name, path string
		status     int
		reason     string
	}{
		{"no token", "/one", 101, ""},
		{"a good token", "/one" + good("ann"), 101, ""},
		{"no JWT", "/one?token=x", 401, "the token is not valid"},
		{"a forged token", "/one" + good("ann") + "x", 401, "the token is not valid"},
		{"an expired token", "/one?token=" + n.token(token.Claims{User: "ann"}, -time.Hour), 401, "the token has expired"},
		{"a revoked token", "/one?token=" + revoked, 401, "the token is not valid"},
		{"no right to join", "/closed" + good("ann"), 403, "this room is not open to you"},
		{"no right to read", "/unreadable" + good("ann"), 403, "this room is not open to you"},
		{"a direct room of others", "/%23ann,bob" + good("carl"), 403, "this room is not open to you"},
		{"a room of the backend", "/hooked" + good("ann"), 403, "this room is open to clients of the Centrifuge protocol only"},
		{"banned everywhere", "/two" + good("eve"), 403, "you are banned"},
		{"banned in the room", "/one" + good("mallory"), 403, "you are banned"},
		{"banned in another room", "/two" + good("mallory"), 101, ""},
		{"too many connections", "/two" + good("busy"), 429, "too many connections of this user"},
		{"a full room", "/full" + good("ann"), 503, "room: room is full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := wstest.Dial(t, n.addr)
			r, err := client.TryHandshake(c.path)
			must(t, err)
			if r.StatusCode != c.status {
				t.Fatalf("%s, want %d", r.Status, c.status)
			}
			if c.status == http.StatusSwitchingProtocols {
				client.Leave()
				wstest.Eventually(t, "it has left", func() bool { return n.hub.Stats().Members == 8 }) // or its room may be full for the next one
				return
			}
			body, err := io.ReadAll(r.Body)
			must(t, err)
			if strings.TrimSpace(string(body)) != c.reason || (r.Header.Get("Retry-After") != "") != (c.status == http.StatusServiceUnavailable) {
				t.Errorf("%q, Retry-After %q; want %q", body, r.Header.Get("Retry-After"), c.reason)
			}
		})
	}
	if got := hooked.asked.Load(); got != 0 {
		t.Errorf("the dialect asked the backend %d times", got)
	}
}

// TestTokensAreRequired checks that a client without a token is refused unless the settings admit
// anonymous clients.
func TestTokensAreRequired(t *testing.T) {
	n := start(t, room.Config{})
	r, err := wstest.Dial(t, n.addr).TryHandshake("/r")
	must(t, err)
	if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), "?token=") {
		t.Errorf("%s, %s", r.Status, body)
	}
	ann := n.joinAs("ann", "r")
	said(ann, "hello", ann)
}

// TestTokenExpires checks that the connection ends with its token.
func TestTokenExpires(t *testing.T) {
	n := start(t, room.Config{})
	c := n.join("r?token=" + n.token(token.Claims{User: "ann"}, 4*time.Second))
	if got := c.ExpectClose(1008); got != "the token has expired" {
		t.Errorf("the reason is %q", got)
	}
}

// TestFloodIsCut checks that a client that sends too fast loses its messages and, if it goes on, its
// connection. The other members stay.
func TestFloodIsCut(t *testing.T) {
	hourly := func(n int) budget.Rate { return budget.Rate{N: n, Per: time.Hour} }
	n := start(t, room.Config{Anonymous: true, Rates: policy.Rates{Send: hourly(5)}, UserRates: policy.NoRates, Refusals: hourly(10)})
	other, flood := n.join("r"), n.join("r")
	wstest.Eventually(t, "both are members", func() bool { return n.hub.Stats().Members == 2 })
	for i := range 16 {
		flood.Send(0x81, fmt.Sprint(i))
	}
	for i := range 5 {
		other.Expect(0x81, fmt.Sprint(i))
	}
	var seen strings.Builder // the close overtakes the messages that no sweep has written yet
	got, matched := flood.Rest(true), false
	for i := range 6 {
		matched = matched || got == seen.String()+"close 1008, eof"
		fmt.Fprintf(&seen, "text %d, ", i)
	}
	if !matched {
		t.Errorf("the flooding client saw %s, want its first messages in order, at most five, and close 1008, eof", got)
	}
	wstest.Eventually(t, "it has left", func() bool { return n.hub.Stats().Members == 1 })
	said(other, "still here", other)
}

// TestLeaving checks that a membership ends with the connection, in whichever way that ends, and that
// the backend learns of each end, with the room and the close code.
func TestLeaving(t *testing.T) {
	b := &fakeBackend{hook: backend.HookDisconnect, left: make(chan backend.DisconnectEvent, 10)}
	n := start(t, room.Config{Anonymous: true, Backend: b})
	stays := n.join("r")
	for _, c := range []struct {
		name, user string
		leave      func(*wstest.Client)
		code       uint32
	}{
		{"with a Close frame", "ann", (*wstest.Client).Leave, 1000},
		{"without a word", "bob", func(c *wstest.Client) { c.Conn.Close() }, 1006},
		{"with a reset", "", func(c *wstest.Client) { c.TCP().SetLinger(0); c.Conn.Close() }, 1006},
		{"kicked", "eve", func(c *wstest.Client) {
			n.sanctioned(n.hub.Kick, moderation.Sanction{Who: "eve"})
			c.ExpectClose(3503)
		}, 3503},
	} {
		t.Run(c.name, func(t *testing.T) {
			var client *wstest.Client
			if c.user != "" {
				client = n.joinAs(c.user, "r")
			} else {
				client = n.join("r")
			}
			said(client, "hello", client, stays)
			c.leave(client)
			d := <-b.left
			if d.User != c.user || len(d.Rooms) != 1 || d.Rooms[0] != "r" || d.Code != c.code {
				t.Errorf("the backend learns %+v, want the code %d", d, c.code)
			}
			wstest.Eventually(t, "the client is no member", func() bool { return n.hub.Stats().Members == 1 })
			said(stays, "still here", stays)
		})
	}
	stays.Leave()
	<-b.left
	wstest.Eventually(t, "the room ends with its last member", func() bool { return len(n.hub.Rooms()) == 0 })
}

// TestRefusedRoomsAreNotMade checks that a client that the handshake has refused leaves no room behind.
func TestRefusedRoomsAreNotMade(t *testing.T) {
	n := start(t, room.Config{Anonymous: true, Options: func(string) *policy.Options { return &policy.Options{} }})
	for i := range 20 {
		if r, err := wstest.Dial(t, n.addr).TryHandshake(fmt.Sprint("/", i)); err != nil || r.StatusCode != http.StatusForbidden {
			t.Fatalf("%v, %v", r, err)
		}
	}
	if st := n.hub.Stats(); st.Rooms+st.Members != 0 {
		t.Errorf("%+v", st)
	}
}
