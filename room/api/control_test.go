package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room/token"
)

// TestSubscribe checks that a client gets a subscription made by the server, with the missed
// messages, before the room's first message, and that only the selected connections get it.
func TestSubscribe(t *testing.T) {
	n := start(t, nil)
	first := must[position](n, "publish", `{"channel":"r","data":1}`)
	must[position](n, "publish", `{"channel":"r","data":2}`)
	phone, desk, other := n.chat("ann", "centrifuge-protobuf"), n.chat("ann", ""), n.chat("bob", "")
	n.ok("subscribe", `{"channel":"r","user":"ann","data":{"why":"invited"},"info":{"role":"x"},"recover_since":{"offset":%d,"epoch":%q}}`, first.Offset, first.Epoch)
	must[position](n, "publish", `{"channel":"r","data":3}`)
	for _, c := range []*client{phone, desk} {
		r := c.next()
		if r.Push == nil || r.Push.Channel != "r" || r.Push.Subscribe == nil {
			t.Fatalf("the first is %+v", r)
		}
		if s := r.Push.Subscribe; string(s.Data) != `{"why":"invited"}` || !s.Recoverable || !s.Positioned || s.Epoch != first.Epoch || s.Offset != first.Offset {
			t.Errorf("%+v", s)
		}
		for _, want := range []string{"2", "3"} {
			if p := c.pub("r"); string(p.Data) != want {
				t.Errorf("got %s, want %s", p.Data, want)
			}
		}
	}
	got := must[presenceResult](n, "presence", `{"channel":"r"}`).Presence
	if who := got[phone.id]; len(got) != 2 || who == nil || who.User != "ann" || string(who.ConnInfo) != `{"name":"N"}` {
		t.Errorf("present: %v", got)
	}
	n.ok("subscribe", `{"channel":"r","user":"ann"}`) // they are subscribed already: nothing happens
	n.ok("subscribe", `{"channel":"s","client":%q}`, other.id)
	if r := other.next(); r.Push.Channel != "s" || r.Push.Subscribe == nil {
		t.Errorf("%+v", r)
	}
	n.ok("subscribe", `{"channel":"bin","user":"ann"}`) // only Protobuf carries bytes
	if r := phone.next(); r.Push.Channel != "bin" || r.Push.Subscribe == nil {
		t.Errorf("%+v", r)
	}
	n.ok("send", `{"user":"ann","data":0}`)
	if r := desk.next(); r.Push.Message == nil {
		t.Errorf("got %+v", r)
	}
}

// TestSubscribeOverride checks that overrides of the room's options hold for that subscription
// only.
func TestSubscribeOverride(t *testing.T) {
	n := start(t, nil)
	c, d := n.chat("ann", ""), n.chat("bob", "")
	n.ok("subscribe", `{"channel":"r","user":"ann","override":{"force_recovery":{"value":false},"force_push_join_leave":{"value":true}}}`)
	if s := c.next().Push.Subscribe; s == nil || s.Recoverable || s.Epoch != "" {
		t.Errorf("%+v", s)
	}
	n.ok("subscribe", `{"channel":"r","user":"bob","override":{"join_leave":{"value":true},"force_positioning":{"value":true}}}`)
	if s := d.next().Push.Subscribe; s == nil || !s.Recoverable {
		t.Errorf("%+v", s)
	}
	c.Wait()
	for {
		r := c.next()
		if r.Push.Join == nil {
			t.Fatalf("%+v", r)
		}
		if r.Push.Join.Info.User == "bob" {
			break
		}
	}
}

// TestSubscribeCap checks that the limit of rooms of a connection also holds for rooms that the
// server joins it to.
func TestSubscribeCap(t *testing.T) {
	n := start(t, nil)
	c := n.chat("ann", "")
	for i := range 10 {
		n.ok("subscribe", `{"channel":"bare%d","user":"ann"}`, i)
	}
	n.ok("send", `{"user":"ann","data":"end"}`)
	joined := 0
	c.Wait()
	for r := c.next(); r.Push.Message == nil; r = c.next() {
		joined++
	}
	if joined != 8 {
		t.Errorf("it is in %d rooms", joined)
	}
}

func TestUnsubscribe(t *testing.T) {
	n := start(t, nil)
	c, d := n.chat("ann", ""), n.chat("ann", "centrifuge-protobuf")
	for _, one := range []*client{c, d} {
		one.subscribe("a")
		one.subscribe("b")
	}
	n.ok("unsubscribe", `{"channel":"a","user":"ann"}`)
	for _, one := range []*client{c, d} {
		if r := one.next(); r.Push == nil || r.Push.Channel != "a" || r.Push.Unsubscribe == nil || r.Push.Unsubscribe.Code != 2000 {
			t.Errorf("%+v", r)
		}
	}
	n.ok("unsubscribe", `{"user":"ann","client":%q}`, c.id) // from all rooms
	if r := c.next(); r.Push.Channel != "b" || r.Push.Unsubscribe == nil {
		t.Errorf("%+v", r)
	}
	n.ok("unsubscribe", `{"channel":"nowhere","user":"ann"}`)
	must[position](n, "publish", `{"channel":"b","data":1}`)
	d.pub("b")
	n.ok("send", `{"user":"ann","data":"end"}`)
	if r := c.next(); r.Push.Message == nil {
		t.Errorf("after it left: %+v", r)
	}
}

func TestDisconnect(t *testing.T) {
	n := start(t, nil)
	a, b, keep := n.chat("ann", ""), n.chat("ann", "centrifuge-protobuf"), n.chat("ann", "")
	other, guest := n.chat("bob", ""), n.chat("", "")
	n.ok("disconnect", `{"user":"ann","client":%q,"disconnect":{"code":4321,"reason":"go"}}`, a.id)
	if got := a.closing(); got != "closed: 4321 go" {
		t.Error(got)
	}
	n.ok("disconnect", `{"user":"ann","whitelist":[%q]}`, keep.id)
	if got := b.closing(); got != "closed: 3503 force disconnect" {
		t.Error(got)
	}
	n.ok("disconnect", `{"session":%q}`, guest.id)
	if got := guest.closing(); got != "closed: 3503 force disconnect" {
		t.Error(got)
	}
	for _, c := range []*client{keep, other} {
		n.ok("send", `{"client":%q,"data":"still"}`, c.id)
		if r := c.next(); r.Push.Message == nil {
			t.Errorf("%+v", r)
		}
	}
	wstest.Eventually(t, "closed connections are no longer counted", func() bool {
		info := must[infoResult](n, "info", ``)
		return info.Nodes[0].NumClients == 2 && info.Nodes[0].NumUsers == 2
	})
}

func TestRefresh(t *testing.T) {
	n := start(t, nil)
	c, d := n.chat("ann", ""), n.chat("ann", "")
	n.ok("refresh", `{"user":"ann","client":%q,"expire_at":%d,"info":{"name":"M"}}`, c.id, time.Now().Add(time.Hour).Unix())
	r := c.next().Push.Refresh
	if r == nil || !r.Expires || r.Ttl < 3500 || r.Ttl > 3600 {
		t.Errorf("%+v", r)
	}
	c.subscribe("r")
	if who := must[presenceResult](n, "presence", `{"channel":"r"}`).Presence[c.id]; string(who.ConnInfo) != `{"name":"M"}` {
		t.Errorf("%+v", who)
	}
	n.ok("refresh", `{"user":"ann","client":%q}`, c.id)
	if r := c.next().Push.Refresh; r == nil || r.Expires {
		t.Errorf("%+v", r)
	}
	n.ok("refresh", `{"user":"ann","client":%q,"expired":true}`, c.id)
	if got := c.closing(); !strings.HasPrefix(got, "closed: 3005") {
		t.Error(got)
	}
	n.ok("refresh", `{"user":"ann","expire_at":1}`) // long ago
	if got := d.closing(); !strings.HasPrefix(got, "closed: 3005") {
		t.Error(got)
	}
}

// TestRevoke checks that revoking a token closes its connections at once, and that it lets nobody
// in afterwards.
func TestRevoke(t *testing.T) {
	n := start(t, nil)
	now := time.Now()
	one := token.Claims{User: "ann", ID: "one", IssuedAt: now.Unix() - 10}
	two := token.Claims{User: "ann", ID: "two", IssuedAt: now.Unix() + 5}
	a, b, other := n.chatAs(one, ""), n.chatAs(two, "centrifuge-protobuf"), n.chat("bob", "")
	n.ok("revoke", `{"user":"ann","issued_before":%d}`, now.Unix())
	if got := a.closing(); !strings.HasPrefix(got, "closed: 3500") {
		t.Error(got)
	}
	if got := n.refused(one); !strings.HasPrefix(got, "closed: 3500") {
		t.Error(got)
	}
	n.ok("send", `{"user":"ann","data":"still"}`)
	if r := b.next(); r.Push.Message == nil {
		t.Errorf("%+v", r)
	}
	n.ok("revoke", `{"uid":"two","expire_at":%d}`, now.Add(time.Hour).Unix())
	if got := b.closing(); !strings.HasPrefix(got, "closed: 3500") {
		t.Error(got)
	}
	if got := n.refused(two); !strings.HasPrefix(got, "closed: 3500") {
		t.Error(got)
	}
	n.ok("revoke", `{"user":"bob"}`)
	if got := other.closing(); !strings.HasPrefix(got, "closed: 3500") {
		t.Error(got)
	}
}

// TestPlainConnections checks that plain connections are closed as others are: by user, by client,
// and when their token is revoked.
func TestPlainConnections(t *testing.T) {
	n := start(t, nil)
	join := func(claims token.Claims) *client {
		text, err := n.sign.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		before := must[infoResult](n, "info", "").Nodes[0].NumClients
		c := n.dialPlain("/r?token=" + text)
		wstest.Eventually(t, "it has joined", func() bool { return must[infoResult](n, "info", "").Nodes[0].NumClients > before })
		return c
	}
	ann, bob, one, guest := join(token.Claims{User: "ann"}), join(token.Claims{User: "bob"}), join(token.Claims{User: "eve", ID: "one"}), n.plain("alone")
	old, late := join(token.Claims{User: "old"}), join(token.Claims{User: "late"})
	for id := range must[presenceResult](n, "presence", `{"channel":"alone"}`).Presence {
		n.ok("disconnect", `{"client":%q}`, id)
	}
	n.ok("disconnect", `{"user":"ann","disconnect":{"code":4000,"reason":"go"}}`)
	n.ok("revoke", `{"user":"bob"}`)
	n.ok("revoke", `{"uid":"one"}`)
	n.ok("refresh", `{"user":"old","expired":true}`)
	n.ok("refresh", `{"user":"late","expire_at":1}`)
	for _, c := range []struct {
		*client
		want string
	}{{guest, "closed: 3503 force disconnect"}, {ann, "closed: 4000 go"}, {bob, "closed: 3500 invalid token"}, {one, "closed: 3500 invalid token"},
		{old, "closed: 3005 connection expired"}, {late, "closed: 3005 connection expired"}} {
		if got := c.closing(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// refused connects with a token that must be refused, and returns the way in which the connection
// ends.
func (n *node) refused(claims token.Claims) string {
	n.t.Helper()
	text, err := n.sign.Sign(claims)
	if err != nil {
		n.t.Fatal(err)
	}
	c := n.dial("")
	c.command(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{Token: text}})
	return c.closing()
}

// TestControlWhileConnectionsCome sends control messages for one user while its connections come and go.
// The connections that stay have the result of the last one, and nothing is left when all are gone.
func TestControlWhileConnectionsCome(t *testing.T) {
	n := start(t, nil)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				n.hubSubscribe("ann", fmt.Sprintf("bare%d", i%4))
			}
		}
	}()
	var stay []*client
	for i := range 60 {
		c := n.chat("ann", []string{"", "centrifuge-protobuf"}[i%2])
		c.Wait()
		for r := c.next(); r.Push == nil || r.Push.Subscribe == nil; r = c.next() {
		}
		if i%3 > 0 {
			c.Conn.Close()
		} else {
			stay = append(stay, c)
		}
	}
	close(stop)
	<-done
	n.ok("disconnect", `{"user":"ann"}`)
	for _, c := range stay {
		if got := c.closing(); got != "closed: 3503 force disconnect" {
			t.Error(got)
		}
	}
	wstest.Eventually(t, "all are gone", func() bool {
		return must[infoResult](n, "info", "{}").Nodes[0].NumClients == 0 && len(n.hub.Rooms()) == 0
	})
}
