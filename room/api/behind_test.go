package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/token"
	"webim/room/wire"
)

// The tests in this file have a node whose copy of the State is behind, or old.

// write writes an entry of the State on a node; a nil value removes it.
func (n *node) write(k engine.Key, value []byte) {
	n.t.Helper()
	done := make(chan error, 1)
	if e := n.hub.Engine(); value == nil {
		e.Delete(k, engine.AnyVersion, func(err error) { done <- err })
	} else {
		e.Put(engine.Entry{Key: k, Value: value, Version: engine.AnyVersion}, func(_ uint64, err error) { done <- err })
	}
	if err := <-done; err != nil {
		n.t.Fatal(err)
	}
}

// unsubscribed reads until the server has taken the client out of a room.
func (c *client) unsubscribed(room string) {
	c.t.Helper()
	for {
		if push := c.Push(); push.Unsubscribe != nil && push.Channel == room {
			return
		}
	}
}

// TestBehindNodeEnforces checks that everything that a node does against a user also holds on a node whose copy of the State
// is held back: its members leave, its connections end, and nobody comes in or speaks who may not.
func TestBehindNodeEnforces(t *testing.T) {
	a, b, hold := startTwoHeld(t)
	listed := engine.Key{Table: engine.TableMember, Of: "$club", Name: "lia"}
	a.write(listed, []byte("{}"))
	wstest.Eventually(t, "lia is on the roster", func() (there bool) {
		b.hub.Engine().Get(listed, func(e engine.Entry, _ error) { there = e.Version != 0 })
		return there
	})
	everywhere, inRoom, revoked, erased := b.chat("eve", ""), b.chat("ron", "centrifuge-protobuf"), b.chat("rex", ""), b.chat("era", "")
	plainly := b.plainAs("pat", "r")
	muted, locked, member, netted := b.chat("mona", ""), b.chat("lou", ""), b.chat("lia", ""), b.chat("ned", "")
	for _, c := range []*client{inRoom, muted, locked} {
		c.subscribe("bare")
	}
	netted.subscribe("bare net")
	member.subscribe("$club")
	hold.Begin(t)

	late := engine.Key{Table: engine.TableMark, Of: "ann", Name: "r"}
	a.write(late, []byte("1"))
	a.ok("ban", `{"user":"eve"}`)
	if got := everywhere.closing(); !strings.HasPrefix(got, "closed: 4503") {
		t.Error(got)
	}
	a.ok("ban", `{"user":"pat"}`)
	if got := plainly.Rest(true); !strings.Contains(got, "close 4503") {
		t.Error(got)
	}
	a.ok("ban", `{"user":"ron","channel":"bare"}`)
	inRoom.unsubscribed("bare")
	a.ok("ban", `{"ip":"127.0.0.0/8","channel":"bare net"}`)
	netted.unsubscribed("bare net")
	a.ok("revoke", `{"user":"rex"}`)
	if got := revoked.closing(); !strings.HasPrefix(got, "closed: 3500") {
		t.Error(got)
	}
	a.ok("erase", `{"user":"era"}`)
	if got := erased.closing(); !strings.HasPrefix(got, "closed: 3503") {
		t.Error(got)
	}
	a.write(listed, nil)
	member.unsubscribed("$club")
	refuses := func(c *client, cmd *protocol.Command, code wire.ErrorCode) {
		t.Helper()
		wstest.Eventually(t, fmt.Sprint("the error is ", code), func() bool {
			r, err := c.Try(cmd)
			return err == nil && r.Error != nil && r.Error.Code == uint32(code)
		})
	}
	a.ok("mute", `{"user":"mona","channel":"bare"}`)
	publish := &protocol.Command{Publish: &protocol.PublishRequest{Channel: "bare", Data: []byte(`1`)}}
	refuses(muted, publish, wire.ErrMuted)
	a.write(engine.Key{Table: engine.TableRoom, Of: "bare"}, []byte(`{"locked":true}`))
	refuses(locked, publish, wire.ErrLocked)

	// They do not come back, as long as the ban lasts.
	again := b.dial("")
	text, err := b.sign.Sign(token.Claims{User: "eve"})
	if err != nil {
		t.Fatal(err)
	}
	again.command(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{Token: text}})
	if got := again.closing(); !strings.HasPrefix(got, "closed: 4503") {
		t.Error(got)
	}
	refuses(inRoom, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "bare"}}, wire.ErrBanned)
	refuses(member, &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "$club"}}, wire.ErrPermissionDenied)
	a.ok("unban", `{"user":"eve"}`)
	wstest.Eventually(t, "eve comes back", func() bool {
		c := b.dial("")
		r, err := c.Try(&protocol.Command{Connect: &protocol.ConnectRequest{Token: text}})
		return err == nil && r.Connect != nil
	})
	b.hub.Engine().Get(late, func(e engine.Entry, _ error) {
		if e.Version != 0 {
			t.Error("the copy was not held back, so the test proves nothing")
		}
	})
	hold.End()
}

// plainAs joins a room in the plain dialect with a token of a user.
func (n *node) plainAs(user, room string) *client {
	n.t.Helper()
	text, err := n.sign.Sign(token.Claims{User: user})
	if err != nil {
		n.t.Fatal(err)
	}
	c := n.dialPlain("/" + room + "?token=" + text)
	c.say("here")
	c.text() // it is a member
	return c
}

// aging is an engine whose copy of the State is old from some time on.
type aging struct {
	*memory.Engine
	old chan struct{} // closed: it is old
}

func (e aging) StateIsOld() bool {
	select {
	case <-e.old:
		return true
	default:
		return false
	}
}

// TestOldStateIsSaid checks that calls that let somebody in, or list who is not let in, say that they cannot now, with a temporary error, instead of doing
// nothing; and that the others work.
func TestOldStateIsSaid(t *testing.T) {
	e := aging{memory.New(memory.Limits{}), make(chan struct{})}
	n := start(t, e)
	c := n.chat("bob", "")
	text, err := n.sign.Sign(token.Claims{User: "ann", Roles: []string{"moderator"}})
	if err != nil {
		t.Fatal(err)
	}
	asModerator := func(r *http.Request) {
		r.Header.Del("X-API-Key")
		r.Header.Set("Authorization", "Bearer "+text)
	}
	if status, body := n.ask(http.MethodPost, Prefix+"sanctions", "{}", asModerator); status != http.StatusOK {
		t.Errorf("a moderator: %d %s", status, body)
	}
	close(e.old)
	for _, who := range []string{`"user":"bob"`, fmt.Sprintf(`"user":"bob","client":%q`, c.id), fmt.Sprintf(`"session":%q`, c.id)} {
		if got := n.call("subscribe", `{"channel":"r",%s}`, who); got != `{"error":{"code":100,"message":"this server does not know the latest bans, try again"}}` {
			t.Error(got)
		}
	}
	n.ok("subscribe", `{"channel":"r","user":"somebody else"}`) // who is on no node
	if got := n.call("sanctions", `{}`); got != `{"error":{"code":100,"message":"this server does not know the latest bans, try again"}}` {
		t.Errorf("the list of bans: %s", got)
	}
	if status, body := n.ask(http.MethodPost, Prefix+"sanctions", "{}", asModerator); status != http.StatusServiceUnavailable || !strings.Contains(body, "try again") {
		t.Errorf("a moderator: %d %s", status, body)
	}
	n.ok("send", `{"user":"bob","data":1}`)
	if p := c.Push(); p.Message == nil {
		t.Errorf("%+v", p)
	}
	n.ok("disconnect", `{"user":"bob"}`)
	c.closing()
}
