package room_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/token"
	"webim/room/wire"
)

// TestRevocationEndsOldSubscriptions checks that a revocation of all tokens of a user until a time ends the
// subscriptions with older tokens, even if the connection has a newer token.
func TestRevocationEndsOldSubscriptions(t *testing.T) {
	v, _ := tokens(t)
	n := start(t, room.Config{Tokens: v, Revoked: &token.Revoked{}}, netpoll.Config{})
	c := n.chat()
	now := time.Now().Unix()
	c.say(t, `{"id":1,"connect":{"token":%q}}`, signed(t, fmt.Sprintf(`{"sub":"ann","iat":%d}`, now)))
	c.reply(t)
	for i, issued := range []int64{now - 100, now} {
		room := fmt.Sprint("r", i)
		c.say(t, `{"id":%d,"subscribe":{"channel":%q,"token":%q}}`, i+2, room, signed(t, fmt.Sprintf(`{"sub":"ann","channel":%q,"iat":%d}`, room, issued)))
		c.reply(t)
	}
	n.hub.Control().Send(engine.ControlMessage{Kind: engine.ControlRevoke, To: engine.Target{User: "ann"}, At: time.Unix(now-50, 0)}, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if got := c.reply(t); field(t, got, "push", "channel") != "r0" || field(t, got, "push", "unsubscribe", "code") != 2000.0 {
		t.Errorf("told %s", got)
	}
	if here := present(n.hub, "r1"); here != 1 {
		t.Errorf("%d are in the room of the newer token", here)
	}
}

// TestPlainMembersGetNoEdits checks that plain members get no edits, which they would show as new messages.
func TestPlainMembersGetNoEdits(t *testing.T) {
	n := start(t, quietly(openConfig()), netpoll.Config{})
	c := n.join("/r", noDeflate)
	for _, m := range []engine.Message{
		{Op: engine.OpJSON, Data: []byte(`{"text":"first"}`)},
		{Op: engine.OpJSON, Data: []byte(`{"text":"edited"}`), Tags: map[string]string{engine.TagEvent: engine.EventEdit, engine.TagOf: "1"}},
		{Op: engine.OpJSON, Data: []byte(`{"text":"last"}`)},
	} {
		n.hub.Publish("r", m, nil)
	}
	for _, want := range []string{"first", "last"} {
		if op, p, err := c.read(); err != nil || op != ws.OpText || string(p) != want {
			t.Errorf("%x %q, %v; want %q", op, p, err, want)
		}
	}
}

// brokenEngine is an engine that fails to read histories.
type brokenEngine struct{ *memory.Engine }

func (brokenEngine) History(_ string, _ engine.Span, done func(engine.History, error)) {
	done(engine.History{}, errors.New("the disk is full of eels"))
}

// TestInternalErrorsAreLogged checks that the log has one line with the cause, and that the client does not
// get the cause.
func TestInternalErrorsAreLogged(t *testing.T) {
	var log wstest.Log
	c := quietly(openConfig())
	c.Engine, c.Log = brokenEngine{memory.New(memory.Limits{})}, slog.New(slog.NewTextHandler(&log, nil))
	n := start(t, c, netpoll.Config{})
	k := n.connect(wire.JSON)
	for range 5 {
		got := k.Ask(&protocol.Command{History: &protocol.HistoryRequest{Channel: "r", Limit: -1}})
		if got.Error.GetCode() != uint32(wire.ErrInternal) || strings.Contains(got.Error.GetMessage(), "eels") {
			t.Errorf("told %v", got)
		}
	}
	if all := log.Lines(); len(all) != 1 || !strings.Contains(all[0], "eels") {
		t.Errorf("logged %q", all)
	}
}
