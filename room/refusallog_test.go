package room_test

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Every refusal leaves one line with its reason and the setting to look at, however
// often it comes, and never a token.
func TestEveryRefusalIsLogged(t *testing.T) {
	v, sign := tokens(t)
	ann := sign(token.Claims{User: "ann"}, time.Hour)
	closed := func(string) *policy.Options { return &policy.Options{} }
	strict := func(c room.Config) room.Config { c.Tokens, c.Options = v, closed; return c }
	anybody := func(c room.Config) room.Config { c.Tokens, c.Anonymous = v, true; return c }
	connect := func(token string) string { return fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token) }
	ban := func(h *room.Hub) {
		h.Impose(moderation.Sanction{Table: engine.TableBan, Who: "ann", Over: true}, nil, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	for _, c := range []struct {
		name   string
		config func(room.Config) room.Config
		before func(*room.Hub)
		path   string   // of a plain client; else the commands are sent
		say    []string // messages, one after the other
		want   []string // in the line
	}{
		{"a forged token", strict, nil, "", []string{connect(ann[:len(ann)-3] + "abc")}, []string{"a connection token is refused", "signature", "token_secret_file"}},
		{"a token of another kid", strict, nil, "", []string{connect(strings.Replace(ann, ".", "x.", 1))}, []string{"a connection token is refused", "reason="}},
		{"an expired token", strict, nil, "", []string{connect(sign(token.Claims{User: "ann"}, -time.Hour))}, []string{"has expired", "see=", "token_leeway"}},
		{"a numeric sub", strict, nil, "", []string{connect(signed(t, `{"sub":42}`))}, []string{"sub must be a string"}},
		{"no keys", func(c room.Config) room.Config { c.Options = closed; return c }, nil, "", []string{connect(ann)}, []string{"there is no key to check tokens with", "token_jwks"}},
		{"a revoked token", func(c room.Config) room.Config {
			c = strict(c)
			c.Revoked = &token.Revoked{}
			if err := c.Revoked.RevokeUser("ann", time.Now(), time.Time{}); err != nil {
				t.Error(err)
			}
			return c
		}, nil, "", []string{connect(ann)}, []string{"it was revoked", "revoke"}},
		{"a guest's name by another", strict, nil, "", []string{connect(sign(token.Claims{User: "guest:x"}, time.Hour))}, []string{"guest:"}},
		{"no token", strict, nil, "", []string{`{"id":1,"connect":{}}`}, []string{"a client without a token is refused", "open, rooms"}},
		{"banned", strict, ban, "", []string{connect(ann)}, []string{"a connection is refused: banned", "code=4503", "sanctions", "user=ann"}},
		{"too many connections", func(c room.Config) room.Config { c = strict(c); c.MaxConnsPerUser = 1; return c }, nil, "", []string{connect(ann), connect(ann)},
			[]string{"connection limit", "code=3504", "max_conns_per_user"}},
		{"subscribing", strict, nil, "", []string{connect(ann) + "\n" + `{"id":2,"subscribe":{"channel":"secret room"}}`}, []string{"permission denied", "code=103", `room="secret room"`, "rooms (allow)"}},
		{"publishing", strict, nil, "", []string{connect(ann) + "\n" + `{"id":2,"publish":{"channel":"r","data":{"text":"hush"}}}`}, []string{"code=103", "room=r"}},
		{"a subscription token", strict, nil, "", []string{connect(ann) + "\n" + `{"id":2,"subscribe":{"channel":"r","token":"x"}}`}, []string{"a subscription token is refused", "three parts"}},
		{"another's subscription token", strict, nil, "", []string{connect(ann) + "\n" + `{"id":2,"subscribe":{"channel":"r","token":"` + sign(token.Claims{User: "bob", Channel: "r"}, time.Hour) + `"}}`},
			[]string{"a subscription token is refused", "another user's"}},
		{"a refresh", strict, nil, "", []string{connect(ann) + "\n" + `{"id":2,"refresh":{"token":"` + sign(token.Claims{User: "bob"}, time.Hour) + `"}}`}, []string{"a connection token is refused", "another user's"}},
		{"too many rooms", func(c room.Config) room.Config { c = anybody(c); c.MaxRoomsPerConn = 1; return c }, nil, "",
			[]string{connect("") + "\n" + `{"id":2,"subscribe":{"channel":"a"}}` + "\n" + `{"id":3,"subscribe":{"channel":"b"}}`}, []string{"limit exceeded", "code=106", "max_rooms_per_conn"}},
		{"too fast", func(c room.Config) room.Config {
			c = anybody(c)
			c.Rates, c.UserRates, c.Refusals = policy.Rates{Read: budget.Rate{N: 1, Per: time.Hour}}, policy.NoRates, budget.Rate{N: 1, Per: time.Hour}
			return c
		}, nil, "", []string{connect("") + strings.Repeat("\n"+`{"id":2,"presence_stats":{"channel":"a"}}`, 9)}, []string{"too many errors", "code=3509", "max_refusals"}},
		{"no JSON", anybody, nil, "", []string{"{"}, []string{"bad request", "code=3501"}},

		{"plain, forged", strict, nil, "/r?token=" + ann[:len(ann)-3] + "abc", nil, []string{"a connection token is refused", "signature"}},
		{"plain, no token", strict, nil, "/r", nil, []string{"a plain client without a token is refused", "?token="}},
		{"plain, no right", strict, nil, "/r?token=" + ann, nil, []string{"a plain client is refused", "status=403", "rooms (allow)", "room=r"}},
		{"plain, banned", func(c room.Config) room.Config { c.Tokens = v; return c }, ban, "/r?token=" + ann, nil, []string{"you are banned", "sanctions"}},
		{"plain, said without a right", func(c room.Config) room.Config {
			rights := policy.OpenRights()
			rights[policy.ActSend] = policy.RoleModerator
			c.Anonymous, c.Options = true, policy.Patterns{{Match: "*", Options: policy.Options{Rights: rights}}}.Options
			return c
		}, nil, "", []string{"plain: hush"}, []string{"a plain client's message is lost", "permission denied", "rooms (allow)", "room=r"}},
		{"plain, too long a text", func(c room.Config) room.Config { c.Anonymous = true; c.Text = policy.TextLimits{Bytes: 3}; return c }, nil, "", []string{"plain: hush"},
			[]string{"a plain client's message is lost", "max_text"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log wstest.Log
			rc := c.config(room.Config{Log: slog.New(slog.NewTextHandler(&log, nil)), PingInterval: -1})
			n := start(t, rc, netpoll.Config{})
			if c.before != nil {
				c.before(n.hub)
			}
			for range 3 {
				for i, message := range c.say {
					if text, ok := strings.CutPrefix(message, "plain: "); ok {
						cl := n.join("/r", noDeflate)
						if err := cl.send(ws.OpText, text); err != nil {
							t.Fatal(err)
						}
						wstest.Eventually(t, "the refusal is logged", func() bool { return strings.Contains(log.String(), c.want[0]) })
						continue
					}
					cl := n.chat()
					cl.say(t, "%s", message)
					if i < len(c.say)-1 {
						cl.reply(t)
						continue
					}
					wstest.Eventually(t, "the refusal is logged", func() bool { return strings.Contains(log.String(), c.want[0]) })
				}
				if c.path != "" {
					_, status, err := n.dial(new(net.Dialer), c.path, noDeflate)
					if err != nil || status < 400 {
						t.Fatalf("%d, %v", status, err)
					}
				}
			}
			text := log.String()
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("there is no %q in\n%s", want, text)
				}
			}
			if got := strings.Count(text, c.want[0]); got != 1 {
				t.Errorf("%d lines:\n%s", got, text)
			}
			if strings.Contains(text, ann[len(ann)-20:len(ann)-3]) || strings.Contains(text, "hush") {
				t.Errorf("the log has a token or a text:\n%s", text)
			}
		})
	}
}

// TestLostHasOneLine: that a sentence says a time makes no new subject of it, or each
// mute would have its lines, and take the place of other subjects in the log.
func TestLostHasOneLine(t *testing.T) {
	var log wstest.Log
	n := start(t, room.Config{Anonymous: true, Log: slog.New(slog.NewTextHandler(&log, nil))}, netpoll.Config{})
	n.join("/r", noDeflate)
	for c := range n.hub.Server().Conns() {
		m, _ := n.hub.Member(c)
		for end := range 3 {
			n.hub.LogLost(m, fmt.Sprintf("you are muted here until %d", end), "the API's sanctions")
		}
	}
	if got := strings.Count(log.String(), "is lost"); got != 1 {
		t.Errorf("%d lines:\n%s", got, log.String())
	}
}

// TestBackendsRefusalNamesTheRoom checks that the log line of a publish command that the backend refuses later has the
// room's name, although the memory of the command was given back meanwhile.
func TestBackendsRefusalNamesTheRoom(t *testing.T) {
	var log wstest.Log
	c, b := openConfig(), newAsked(backend.HookPublish)
	c.Backend, c.Log = b, slog.New(slog.NewTextHandler(&log, nil))
	n := start(t, c, netpoll.Config{})
	k := n.chat()
	k.say(t, `{"id":1,"connect":{}}`)
	k.reply(t)
	k.say(t, `{"id":2,"publish":{"channel":"asked","data":{}}}`)
	q := b.next(t)
	wstest.Eventually(t, "the message has ended", func() bool { return n.s.Stats().WorkersBusy == 0 })
	q.answer(backend.Reply{}, wire.ErrPermissionDenied)
	if got := k.reply(t); field(t, got, "error", "code") != 103.0 {
		t.Error(got)
	}
	wstest.Eventually(t, "the line names the room", func() bool { return strings.Contains(log.String(), "room=asked") })
}
