package room_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// sanctioned calls Impose, Lift or Kick, which must succeed.
func sanctioned(t testing.TB, do func(moderation.Sanction, *engine.Author, func(error)), s moderation.Sanction) {
	t.Helper()
	do(s, nil, func(err error) {
		if err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
	})
}

// set stores the settings of a room.
func (n *node) set(room, settings string) {
	n.t.Helper()
	n.hub.Engine().Put(engine.Entry{Key: engine.Key{Table: engine.TableRoom, Of: room}, Value: []byte(settings), Version: engine.AnyVersion}, func(_ uint64, err error) {
		if err != nil {
			n.t.Fatal(err)
		}
	})
}

// TestSlowMode checks that a refused message does not count, that a retry of a published message is not
// refused, and that a change of the interval applies to the time since earlier messages.
func TestSlowMode(t *testing.T) {
	n := start(t, room.Config{Text: policy.TextLimits{Bytes: 5}}, netpoll.Config{})
	n.set("r", `{"slow":3600}`)
	c := n.chat()
	c.say(t, `{"id":1,"connect":{}}`)
	c.reply(t)
	id := 1
	publish := func(text string, want any) {
		t.Helper()
		id++
		c.say(t, `{"id":%d,"publish":{"channel":"r","data":{"text":%q}}}`, id, text)
		if got := field(t, c.reply(t), "error", "code"); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	publish("too long", 445.0)
	publish("one", nil)
	publish("two", 441.0)
	n.set("r", `{"slow":1}`)
	wstest.Eventually(t, "the shorter interval holds", func() bool {
		id++
		c.say(t, `{"id":%d,"publish":{"channel":"r","data":{"text":"x"}}}`, id)
		return field(t, c.reply(t), "error") == nil
	})
}

// TestRefreshIntoBan checks that an earlier ban binds a user whose new token no longer says that she is an
// admin.
func TestRefreshIntoBan(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, room.Config{Tokens: v, Options: policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}.Options}, netpoll.Config{})
	for where, end := range map[string]string{"r": `"unsubscribe":{"code":2000`, "": "close 4503"} {
		c := n.chat()
		until := func(what string) {
			t.Helper()
			defer c.Wait()()
			for got := ""; !strings.Contains(got, what); {
				if got = c.reply(t); strings.HasPrefix(got, "close") && got != what {
					t.Fatalf("%s, want %s", got, what)
				}
			}
		}
		c.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: "root", Roles: []string{"admin"}}, time.Hour))
		c.say(t, `{"id":2,"subscribe":{"channel":"r"}}`)
		until(`"id":2,`)
		ban := moderation.Sanction{Table: engine.TableBan, Who: "root", Room: where}
		sanctioned(t, n.hub.Impose, ban)
		c.say(t, `{"id":3,"ping":{}}`)
		until(`"id":3,`)
		c.say(t, `{"id":4,"refresh":{"token":%q}}`, sign(token.Claims{User: "root"}, time.Hour))
		until(end)
		sanctioned(t, n.hub.Lift, ban)
		c.Conn.Close()
	}
}

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "192.0.2.77/24": "192.0.2.0/24", "10.1.2.3/8": "10.0.0.0/8",
		"::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8::1": "2001:db8::/64", "2001:db8::1/128": "2001:db8::1/128",
		"2001:db8:1::/48": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/64",
		"": "", "x": "", "192.0.2.0/": "", "192.0.2.0/33": "", "192.0.2.0/7": "", "0.0.0.0/0": "", "::/0": "", "2001:db8::/31": "",
		"::ffff:0:0/96": "", "::ffff:192.0.2.0/120": "", "fe80::%eth0/64": "", "192.0.2.0/024": "", "192.0.2": "", " 192.0.2.7": "",
	} {
		net, err := moderation.ParseNetwork(text)
		if (err == nil) != (want != "") || err == nil && net.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, net, err, want)
		}
	}
}

// TestBannedAddresses checks that a ban of a network binds all spellings of the addresses in it, and no
// other addresses.
func TestBannedAddresses(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{})
	for _, net := range []string{"192.0.2.0/24", "198.51.100.7", "2001:db8:0:1::99", "fe80::1"} {
		sanctioned(t, n.hub.Impose, moderation.Sanction{Table: engine.TableBanIP, Who: net})
	}
	for addr, want := range map[string]bool{
		"192.0.2.255": true, "192.0.3.0": false, "198.51.100.7": true, "198.51.100.8": false,
		"2001:db8:0:1:ffff::": true, "2001:db8:0:2::": false, "fe80::2%eth0": true, "::1": false,
	} {
		if got := n.hub.Judge().IsBanned(policy.Subject{Who: token.Anonymous, Addr: netip.MustParseAddr(addr).WithZone("")}, "r"); got != want {
			t.Errorf("%s is banned: %v", addr, got)
		}
	}
}

func TestSanctionsThatAreNone(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{})
	for _, s := range []moderation.Sanction{
		{Table: engine.TableBan}, {Table: engine.TableBan, Who: "a\nb"}, {Table: engine.TableBan, Who: "a\xff"}, {Table: engine.TableBan, Who: "a", Reason: "r\x00"},
		{Table: engine.TableBan, Who: "a", Room: "r\u202e"}, {Table: engine.TableBanIP, Who: "a"},
	} {
		n.hub.Impose(s, nil, func(err error) {
			if !errors.Is(err, wire.ErrBadRequest) {
				t.Errorf("%+v: %v", s, err)
			}
		})
	}
}
