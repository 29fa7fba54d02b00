package room_test

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/judge"
	"webim/room/policy"
	"webim/room/token"
)

// aging is an engine whose copy of the State may be old.
type aging struct {
	engine.Engine
	old atomic.Bool
}

func (a *aging) StateIsOld() bool { return a.old.Load() }

// TestOldStateAdmitsNobody checks that a node whose copy of the State is old admits no client and no member in either dialect,
// with a temporary error, while those who are in stay, and talk; and that it admits them when the copy is current again.
func TestOldStateAdmitsNobody(t *testing.T) {
	v, sign := tokens(t)
	e, log := &aging{Engine: memory.New(memory.Limits{})}, new(wstest.Log)
	n := start(t, room.Config{Engine: e, Tokens: v, Anonymous: true, PingInterval: -1, Log: slog.New(slog.NewTextHandler(log, nil)),
		Options: policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}.Options}, netpoll.Config{})
	const refused = `"error":{"code":100,"message":"internal server error: this server does not know the latest bans, try again","temporary":true}`
	expect := func(c *client, command, want string) {
		t.Helper()
		c.say(t, "%s", command)
		if got := c.reply(t); !strings.Contains(got, want) {
			t.Errorf("%.40s: %s", command, got)
		}
	}
	plainly := func(want int) {
		t.Helper()
		if _, status, err := n.dial(new(net.Dialer), "/r", noDeflate); status != want {
			t.Errorf("the plain dialect: status %d, %v; want %d", status, err, want)
		}
	}
	bob := sign(token.Claims{User: "bob", Channels: []string{"r"}}, time.Hour)
	ann, plain := n.chat(), n.join("/r", noDeflate)
	expect(ann, `{"id":1,"connect":{}}`, `"client"`)
	expect(ann, `{"id":2,"subscribe":{"channel":"r"}}`, `"subscribe"`)

	e.old.Store(true)
	expect(n.chat(), `{"id":1,"connect":{}}`, refused)
	expect(n.chat(), `{"id":1,"connect":{"token":"`+bob+`"}}`, refused)
	expect(ann, `{"id":3,"subscribe":{"channel":"s"}}`, refused)
	plainly(http.StatusServiceUnavailable)
	n.hub.Judge().Identify(bob, netip.Addr{}, func(_ *token.Identity, err error) {
		if err != judge.ErrStateOld {
			t.Errorf("the server API gets %v", err)
		}
	})
	plain.send(ws.OpText, "still here")
	plain.expect(t, ws.OpText, "still here")
	if got := ann.reply(t); !strings.Contains(got, "still here") {
		t.Errorf("a member that is in gets %s", got)
	}
	if got := log.String(); !strings.Contains(got, "a client is refused: the copy of the state is old") {
		t.Errorf("the log has %s", got)
	}

	e.old.Store(false)
	expect(ann, `{"id":4,"subscribe":{"channel":"s"}}`, `"subscribe"`)
	expect(n.chat(), `{"id":1,"connect":{"token":"`+bob+`"}}`, `"client"`)
	plainly(http.StatusSwitchingProtocols)
}
