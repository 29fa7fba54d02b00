package policy_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/centrifugal/centrifuge-go"
	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"webim/netpoll/wstest"
	"webim/room/live"
)

func TestMain(m *testing.M) {
	wstest.Main(m, goleak.IgnoreAnyFunction("github.com/centrifugal/centrifuge-go.(*Client).sendAsync.func1"))
}

const (
	secret    = "a secret of thirty-two bytes or more"
	apiKey    = "the API's key of many bytes"
	elsewhere = "127.0.0.9" // a banned address
)

// table holds the expected results. The columns are the actions; each letter is a result:
//
//	x  allowed     -  103     B  443, banned     M  440, muted
//
// The tests below try each action at every entry point. The room hooked has no rights, and a
// backend that permits every join and every message. A banned subject is banned in each room by
// its name or its address; a muted one is muted in each room.
const columns = "join history presence send mute kick ban manage"

var table = []struct {
	room string
	want map[string]string
}{
	{"open", map[string]string{ // everybody may talk
		"nobody": "xxxx ----", "ann": "xxxx ----", "mo": "xxxx xxx-", "ad": "xxxx xxxx", "caps": "xxxx ----",
		"banned mo": "BBBB BBBB", "banned ad": "BBBB BBBB", "mo elsewhere": "BBBB BBBB", "banned caps": "BBBB BBBB", "muted": "xxxM ----", "muted mo": "xxxM xxx-",
	}},
	{"board", map[string]string{ // everything is for admins
		"nobody": "---- ----", "ann": "---- ----", "mo": "---- ----", "ad": "xxxx xxxx", "caps": "xxxx ----",
		"banned mo": "BBBB BBBB", "banned ad": "BBBB BBBB", "mo elsewhere": "BBBB BBBB", "banned caps": "BBBB BBBB", "muted": "---- ----", "muted mo": "---- ----",
	}},
	{"news", map[string]string{ // everybody may read, admins may send
		"nobody": "xxx- ----", "ann": "xxx- ----", "mo": "xxx- xxx-", "ad": "xxxx xxxx", "caps": "xxxx ----",
		"banned mo": "BBBB BBBB", "banned ad": "BBBB BBBB", "mo elsewhere": "BBBB BBBB", "banned caps": "BBBB BBBB", "muted": "xxx- ----", "muted mo": "xxx- xxx-",
	}},
	{"#ann,bob", map[string]string{ // as open, but a direct room
		"nobody": "---- ----", "ann": "xxxx ----", "mo": "---- ----", "ad": "---- ----", "caps": "---- ----",
		"banned mo": "---- ----", "banned ad": "---- ----", "mo elsewhere": "---- ----", "banned caps": "---- ----", "muted": "---- ----", "muted mo": "---- ----",
	}},
	{"hooked", map[string]string{
		"nobody": "x--x ----", "ann": "x--x ----", "mo": "xxxx xxx-", "ad": "xxxx xxxx", "caps": "xxxx ----",
		"banned mo": "BBBB BBBB", "banned ad": "BBBB BBBB", "mo elsewhere": "BBBB BBBB", "banned caps": "BBBB BBBB", "muted": "x--M ----", "muted mo": "xxxM xxx-",
	}},
}

// TestOneTableForAllDoors tries each cell of the table at each entry point that can express it.
func TestOneTableForAllDoors(t *testing.T) {
	d := open(t)
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			d := *d
			d.t = t
			sockets := map[string]*centrifuge.Client{"JSON": d.socket(s, false), "Protobuf": d.socket(s, true)}
			for _, one := range table {
				want := strings.ReplaceAll(one.want[s.name], " ", "")
				check := func(door, action, got string) {
					t.Helper()
					for i, column := range strings.Fields(columns) {
						if column == action && got != want[i:i+1] {
							t.Errorf("%s %s by %s: %q, want %q", action, one.room, door, got, want[i:i+1])
						}
					}
				}
				for door, c := range sockets {
					d.commands(door, c, s, one.room, check)
				}
				d.calls(sockets["JSON"], s, one.room, check)
				d.requests(s, one.room, check)
				join, send := d.plain(s, one.room)
				if one.room == "hooked" {
					if join != "-" { // the plain dialect cannot ask a backend
						t.Errorf("plain hooked: %s", join)
					}
					continue
				}
				if (join == "x") != (want[0] == 'x') || (send == "x") != (want[3] == 'x' && join == "x") {
					t.Errorf("plain %s: join %s, send %s; want %s", one.room, join, send, want)
				}
			}
			d.watch(s)
		})
	}
}

func (d *doors) commands(door string, c *centrifuge.Client, s subject, name string, check func(door, action, got string)) {
	ctx, cancel := context.WithTimeout(d.t.Context(), wstest.Patience)
	defer cancel()
	check(door, "join", d.join(c, name))
	_, err := c.History(ctx, name, centrifuge.WithHistoryLimit(-1))
	check(door, "history", letter(err))
	_, err = c.Presence(ctx, name)
	check(door, "presence", letter(err))
	_, err = c.PresenceStats(ctx, name)
	check(door+" stats", "presence", letter(err))
	_, err = c.Publish(ctx, name, []byte(`{"text":"x"}`))
	check(door, "send", letter(err))
}

func (d *doors) calls(c *centrifuge.Client, s subject, name string, check func(door, action, got string)) {
	for _, one := range []struct{ method, action, body string }{
		{"room.info", "join", `{"room":%q}`}, {"messages", "history", `{"room":%q}`}, {"marks", "history", `{"room":%q}`}, {"members", "presence", `{"room":%q}`},
		{"send", "send", `{"room":%q,"data":{"text":"x"}}`},
		{"mute", "mute", `{"room":%q,"user":"victim of ` + s.name + `"}`}, {"unmute", "mute", `{"room":%q,"user":"victim of ` + s.name + `"}`},
		{"kick", "kick", `{"room":%q,"user":"victim of ` + s.name + `"}`}, {"ban", "ban", `{"room":%q,"user":"victim of ` + s.name + `"}`},
		{"room.set", "manage", `{"room":%q,"locked":false}`},
	} {
		check("call "+one.method, one.action, d.call(c, one.method, fmt.Sprintf(one.body, name)))
	}
}

func (d *doors) requests(s subject, name string, check func(door, action, got string)) {
	for _, one := range []struct{ method, action, body string }{
		{"history", "history", `{"channel":%q,"limit":-1}`}, {"presence", "presence", `{"channel":%q}`}, {"presence_stats", "presence", `{"channel":%q}`},
		{"mute", "mute", `{"channel":%q,"user":"victim of ` + s.name + `"}`}, {"unmute", "mute", `{"channel":%q,"user":"victim of ` + s.name + `"}`},
		{"kick", "kick", `{"channel":%q,"user":"victim of ` + s.name + `"}`}, {"ban", "ban", `{"channel":%q,"user":"victim of ` + s.name + `"}`},
		{"history_remove", "manage", `{"channel":%q}`},
	} {
		got := d.api(s, one.method, fmt.Sprintf(one.body, name))
		if s.role == "" { // only moderators of all rooms may use the API by token, regardless of caps
			if got != "" {
				d.t.Errorf("the API lets %s ask for %s: %s", s.name, one.method, got)
			}
			continue
		}
		if one.action == "manage" && got == "" && s.role != "admin" {
			continue // the API needs the role in all rooms
		}
		check("API "+one.method, one.action, got)
	}
	if got := d.byKey("history", fmt.Sprintf(`{"channel":%q}`, name)); got != "x" {
		d.t.Errorf("history of %s with the key: %s", name, got)
	}
}

// watch opens the live picture, which is for moderators of all rooms and shows them no private
// rooms.
func (d *doors) watch(s subject) {
	client, status := d.dial(s, d.feeds, live.FeedPath)
	if status != http.StatusSwitchingProtocols {
		d.t.Fatalf("the live picture answers %s with %d", s.name, status)
	}
	defer client.Conn.Close()
	client.Send(0x81, fmt.Sprintf(`{"token":%q}`, s.token(d.t)))
	op, _, err := client.ReadMessage()
	must(d.t, err)
	if in := op == ws.OpText; in != (s.role != "") {
		d.t.Errorf("the live picture is open to %s: %v", s.name, in)
	}
}
