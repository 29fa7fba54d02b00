package room_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
)

// forge signs claims of any content.
func forge(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// rightsRooms has the rooms of the table.
var rightsRooms = map[string]policy.Rights{
	"open": policy.OpenRights(),
	"users": {policy.ActJoin: policy.RoleUser, policy.ActRead: policy.RoleUser, policy.ActSend: policy.RoleUser, policy.ActTyping: policy.RoleUser, policy.ActHistory: policy.RoleMember, policy.ActPresence: policy.RoleMember,
		policy.ActEditOwn: policy.RoleUser, policy.ActDeleteOwn: policy.RoleUser, policy.ActKick: policy.RoleAdmin},
	"team":   {policy.ActJoin: policy.RoleUser, policy.ActRead: policy.RoleUser, policy.ActSend: policy.RoleMember, policy.ActPresence: policy.RoleMember | policy.RoleModerator},
	"news":   {policy.ActJoin: policy.RoleAnonymous, policy.ActRead: policy.RoleAnonymous, policy.ActSend: policy.RoleNobody, policy.ActHistory: policy.RoleModerator, policy.ActPresence: policy.RoleNobody},
	"closed": {},
}

// rightsClaims has the claims of the subjects in the table; an anonymous subject has none.
var rightsClaims = map[string]jwt.MapClaims{
	"anonymous": {},
	"user":      {"sub": "ann"},
	"elsewhere": {"sub": "ann", "roles": []string{"admin@other-*", "owner"}},
	"caps":      {"sub": "ann", "caps": []any{map[string]any{"channels": []string{"*"}, "match": "wildcard", "allow": []string{"sub", "pub"}}}},
	"moderator": {"sub": "ann", "roles": []string{"moderator"}},
	"admin":     {"sub": "ann", "roles": []string{"admin@*"}},
}

// The whole table of rights. The columns outside and inside have the commands that are permitted to a
// connection of the centrifuge dialect outside and inside the room: s subscribe, p publish, h history,
// r presence and presence_stats. The column plain has the handshake (j) and a message (m). The column
// actions has all actions in their order, for a subject outside the room: join read history presence,
// send typing edit_own delete_own, delete_any mute kick ban, manage.
var rightsTable = []struct{ room, who, outside, inside, plain, actions string }{
	{"open", "anonymous", "sphr", "sphr", "jm", "xxxx xxxx ---- -"},
	{"open", "user", "sphr", "sphr", "jm", "xxxx xxxx ---- -"},
	{"open", "elsewhere", "sphr", "sphr", "jm", "xxxx xxxx ---- -"},
	{"open", "caps", "sphr", "sphr", "jm", "xxxx xxxx ---- -"},
	{"open", "moderator", "sphr", "sphr", "jm", "xxxx xxxx xxxx -"},
	{"open", "admin", "sphr", "sphr", "jm", "xxxx xxxx xxxx x"},

	{"users", "anonymous", "----", "--hr", "--", "---- ---- ---- -"},
	{"users", "user", "sp--", "sphr", "jm", "xx-- xxxx ---- -"},
	{"users", "elsewhere", "sp--", "sphr", "jm", "xx-- xxxx ---- -"},
	{"users", "caps", "sp--", "sphr", "jm", "xx-- xxxx ---- -"},
	{"users", "moderator", "sp--", "sphr", "jm", "xx-- xxxx xx-x -"},
	{"users", "admin", "sp--", "sphr", "jm", "xx-- xxxx xxxx x"},

	{"team", "anonymous", "----", "-p-r", "--", "---- ---- ---- -"},
	{"team", "user", "s---", "sp-r", "jm", "xx-- ---- ---- -"},
	{"team", "elsewhere", "s---", "sp-r", "jm", "xx-- ---- ---- -"},
	{"team", "caps", "sp--", "sp-r", "jm", "xx-- xx-- ---- -"},
	{"team", "moderator", "s-hr", "sphr", "jm", "xxxx -xxx xxxx -"},
	{"team", "admin", "s-hr", "sphr", "jm", "xxxx -xxx xxxx x"},

	{"news", "anonymous", "s---", "s---", "j-", "xx-- ---- ---- -"},
	{"news", "user", "s---", "s---", "j-", "xx-- ---- ---- -"},
	{"news", "elsewhere", "s---", "s---", "j-", "xx-- ---- ---- -"},
	{"news", "caps", "sp--", "sp--", "jm", "xx-- xx-- ---- -"},
	{"news", "moderator", "s-h-", "s-h-", "j-", "xxx- -xxx xxxx -"},
	{"news", "admin", "s-h-", "s-h-", "j-", "xxx- -xxx xxxx x"},

	{"closed", "anonymous", "----", "----", "--", "---- ---- ---- -"},
	{"closed", "user", "----", "----", "--", "---- ---- ---- -"},
	{"closed", "elsewhere", "----", "----", "--", "---- ---- ---- -"},
	{"closed", "caps", "sp--", "sp--", "jm", "xx-- xx-- ---- -"},
	{"closed", "moderator", "sphr", "sphr", "jm", "xxxx xxxx xxxx -"},
	{"closed", "admin", "sphr", "sphr", "jm", "xxxx xxxx xxxx x"},
}

// commands sends commands in one message, with ids from 1, and returns the error codes of the replies; 0
// means no error.
func (c *client) commands(t testing.TB, all ...string) []int {
	t.Helper()
	var b strings.Builder
	for i, text := range all {
		fmt.Fprintf(&b, "{\"id\":%d,%s}\n", i+1, text)
	}
	defer c.Wait()()
	c.say(t, "%s", strings.TrimSpace(b.String()))
	codes := make([]int, len(all))
	for left := len(all); left > 0; {
		message := c.reply(t)
		for line := range strings.SplitSeq(message, "\n") {
			var r struct {
				ID    int `json:"id"`
				Error struct{ Code int }
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%v: %s", err, message)
			}
			if r.ID > 0 {
				codes[r.ID-1] = r.Error.Code
				left--
			}
		}
	}
	return codes
}

// letters returns the letters of the permitted commands. in means that the client has subscribed, so
// another subscribe command gets the error for that.
func (c *client) letters(t testing.TB, room string, in bool) string {
	t.Helper()
	ch := fmt.Sprintf(`"channel":%q`, room)
	codes := c.commands(t, `"publish":{`+ch+`,"data":1}`, `"history":{`+ch+`}`, `"presence":{`+ch+`}`, `"presence_stats":{`+ch+`}`,
		`"rpc":{"method":"x"}`, `"ping":{}`, `"subscribe":{`+ch+`}`, `"unsubscribe":{`+ch+`}`)
	if codes[4] != 108 || codes[5] != 0 || codes[7] != 0 || codes[2] != codes[3] {
		t.Errorf("an unknown rpc %d, ping %d, unsubscribe %d; presence %d, its counts %d", codes[4], codes[5], codes[7], codes[2], codes[3])
	}
	allowed := 0
	if in {
		allowed = 105
	}
	return letter(t, "s", codes[6], allowed) + letter(t, "p", codes[0], 0) + letter(t, "h", codes[1], 0) + letter(t, "r", codes[2], 0)
}

func letter(t testing.TB, name string, code, allowed int) string {
	t.Helper()
	switch code {
	case allowed:
		return name
	case 103:
		return "-"
	}
	t.Errorf("%s: error %d", name, code)
	return "?"
}

// plainLetters returns the letters of the column plain.
func (n *node) plainLetters(t testing.TB, room, tok string) string {
	t.Helper()
	path := "/" + room
	if tok != "" {
		path += "?token=" + tok
	}
	c, status, err := n.dial(new(net.Dialer), path, noDeflate)
	if err != nil || status != http.StatusSwitchingProtocols {
		if status != http.StatusForbidden {
			t.Errorf("the handshake: %d, %v", status, err)
		}
		return "--"
	}
	defer c.Conn.Close()
	const text = "said plainly"
	before := n.count(room, text)
	if err := c.send(ws.OpText, text); err != nil {
		t.Fatal(err)
	}
	if err := c.send(ws.OpPing, ""); err != nil {
		t.Fatal(err)
	}
	for op := ws.OpText; op != ws.OpPong; { // the pong comes after the message
		if op, _, err = c.read(); err != nil {
			t.Fatal(err)
		}
	}
	if n.count(room, text) > before {
		return "jm"
	}
	return "j-"
}

// count returns how often the history of a room contains a text.
func (n *node) count(room, text string) (count int) {
	n.hub.Engine().History(room, engine.Span{Limit: -1}, func(h engine.History, _ error) {
		for _, p := range h.Publications {
			if string(p.Data) == text {
				count++
			}
		}
	})
	return count
}

func TestRightsTable(t *testing.T) {
	v, _ := tokens(t)
	var rooms policy.Patterns
	for name, rights := range rightsRooms {
		rooms = append(rooms, policy.Pattern{Match: name, Options: policy.Options{History: engine.Retention{Messages: 1000, Bytes: 1 << 20, Age: time.Hour}, Presence: true, Rights: rights}})
	}
	n := start(t, room.Config{Tokens: v, Anonymous: true, Options: rooms.Options, Rates: policy.NoRates, UserRates: policy.NoRates, MaxConnsPerUser: -1}, netpoll.Config{})
	seen := map[string]bool{}
	for _, row := range rightsTable {
		seen[row.room+" "+row.who] = true
		t.Run(row.room+"/"+row.who, func(t *testing.T) {
			base := jwt.MapClaims{"exp": time.Now().Add(time.Hour).Unix()}
			for name, claim := range rightsClaims[row.who] {
				base[name] = claim
			}
			outside := ""
			if row.who != "anonymous" {
				outside = forge(t, base)
			}
			base["channels"] = []string{row.room}
			inside := forge(t, base)

			c := n.chat()
			c.commands(t, fmt.Sprintf(`"connect":{"token":%q}`, outside))
			if got := c.letters(t, row.room, false); got != row.outside {
				t.Errorf("outside %s, want %s", got, row.outside)
			}
			c = n.chat()
			c.commands(t, fmt.Sprintf(`"connect":{"token":%q}`, inside))
			if got := c.letters(t, row.room, true); got != row.inside {
				t.Errorf("inside %s, want %s", got, row.inside)
			}
			if got := n.plainLetters(t, row.room, outside); got != row.plain {
				t.Errorf("plain %s, want %s", got, row.plain)
			}
			who := token.Anonymous
			if outside != "" {
				v.Connection(outside, func(id *token.Identity, _ error) { who = id })
			}
			actions := ""
			for a := range policy.Action(len(policy.Actions())) {
				if a > 0 && a%4 == 0 {
					actions += " "
				}
				if n.hub.Judge().Request(who, netip.Addr{}, a, row.room).Outcome == policy.Allow {
					actions += "x"
				} else {
					actions += "-"
				}
			}
			if actions != row.actions {
				t.Errorf("actions %s, want %s", actions, row.actions)
			}
		})
	}
	for name := range rightsRooms {
		for who := range rightsClaims {
			if !seen[name+" "+who] {
				t.Errorf("the table has no row of %s in %s", who, name)
			}
		}
	}
	if st := n.hub.Stats(); st.Denied == 0 || st.TooFast != (room.TooFast{}) {
		t.Errorf("%+v", st)
	}
}

// Without Options, no client may join any room.
func TestNothingIsOpenByDefault(t *testing.T) {
	v, _ := tokens(t)
	n := startWith(t, newHub(room.Config{Tokens: v}), netpoll.Config{}, nil)
	c := n.chat()
	c.say(t, `{"id":1,"connect":{}}`)
	if got := c.reply(t); got != "close 3500" {
		t.Errorf("without a token: %s", got)
	}
	user := forge(t, jwt.MapClaims{"sub": "ann"})
	c = n.chat()
	c.commands(t, fmt.Sprintf(`"connect":{"token":%q}`, user))
	if got := c.letters(t, "r", false); got != "----" {
		t.Errorf("a user may %s", got)
	}
	for query, want := range map[string]int{"": 401, "?token=x": 401, "?token=" + user: 403,
		"?token=" + forge(t, jwt.MapClaims{"sub": "ann", "exp": 1}): 401} {
		if _, status, err := n.dial(new(net.Dialer), "/r"+query, noDeflate); err != nil || status != want {
			t.Errorf("plain, %.10s: %d, %v; want %d", query, status, err, want)
		}
	}
}

// The grants of a subscription token hold in its room, during the subscription.
func TestSubscriptionTokenPermits(t *testing.T) {
	v, _ := tokens(t)
	n := startWith(t, newHub(room.Config{Tokens: v}), netpoll.Config{}, nil)
	c := n.chat()
	c.commands(t, fmt.Sprintf(`"connect":{"token":%q}`, forge(t, jwt.MapClaims{"sub": "ann"})))
	sub := forge(t, jwt.MapClaims{"sub": "ann", "channel": "r", "allow": []string{"pub"}})
	codes := c.commands(t, `"publish":{"channel":"r","data":1}`,
		fmt.Sprintf(`"subscribe":{"channel":"r","token":%q}`, sub), `"publish":{"channel":"r","data":2}`, `"history":{"channel":"r"}`,
		`"publish":{"channel":"q","data":3}`, `"unsubscribe":{"channel":"r"}`, `"publish":{"channel":"r","data":4}`)
	if got, want := fmt.Sprint(codes), "[103 0 0 103 103 0 103]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A decision about an action does not allocate.
func TestAllowsAllocatesNothing(t *testing.T) {
	v, _ := tokens(t)
	h := newHub(room.Config{Options: policy.Patterns{{Match: "team-*", Options: policy.Options{}}}.Options})
	var who *token.Identity
	v.Connection(forge(t, rightsClaims["caps"]), func(id *token.Identity, _ error) { who = id })
	for _, name := range []string{"team-a", "other"} {
		if n := testing.AllocsPerRun(100, func() {
			h.Judge().Request(who, netip.Addr{}, policy.ActSend, name)
			h.Judge().Request(who, netip.Addr{}, policy.ActBan, name)
		}); n != 0 {
			t.Errorf("%v allocations in %s", n, name)
		}
	}
}
