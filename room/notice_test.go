package room_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/policy"
	"webim/room/wire"
)

// TestLeaveDelay checks that a client that leaves and returns within the leave delay has not left
// as others see it, that one that stays away has, and that the presence is exact all the time.
func TestLeaveDelay(t *testing.T) {
	n := start(t, room.Config{Anonymous: true, PingInterval: -1, Options: policy.Patterns{{Match: "*", Options: policy.Options{Notices: true, Presence: true, Rights: policy.OpenRights()}}}.Options}, netpoll.Config{})
	watcher, other := n.chat(), n.chat()
	for _, c := range []*client{watcher, other} {
		c.say(t, `{"id":1,"connect":{}}`)
		c.reply(t)
		c.say(t, `{"id":2,"subscribe":{"channel":"r","join_leave":true}}`)
		end := c.Wait()
		for !strings.HasPrefix(c.reply(t), `{"id":2`) {
		}
		end()
	}
	joins := 0
	end := watcher.Wait()
	for joins < 2 { // its own, and the other's
		if field(t, watcher.reply(t), "push", "join") != nil {
			joins++
		}
	}
	end()
	other.say(t, "{\"id\":3,\"unsubscribe\":{\"channel\":\"r\"}}\n{\"id\":4,\"presence_stats\":{\"channel\":\"r\"}}\n"+
		"{\"id\":5,\"subscribe\":{\"channel\":\"r\"}}\n{\"id\":6,\"publish\":{\"channel\":\"r\",\"data\":1}}")
	end = other.Wait()
	for got := ""; !strings.Contains(got, `"id":4`); {
		if got = other.reply(t); strings.Contains(got, `"id":4`) && !strings.Contains(got, `"num_clients":1,`) {
			t.Errorf("the presence counts a client that has left: %s", got)
		}
	}
	end()
	if got := watcher.reply(t); field(t, got, "push", "pub", "data") != 1.0 {
		t.Errorf("the next that is told is %s", got)
	}
	other.Conn.Close()
	if got := watcher.reply(t); field(t, got, "push", "leave", "info", "client") == nil {
		t.Errorf("want the leave of the client that stays away: %s", got)
	}
}

// TestNoticesAndPresence checks that members that asked for notices get the joins and leaves in
// order, and that the presence is exact at once.
func TestNoticesAndPresence(t *testing.T) {
	for _, c := range []struct {
		linger time.Duration
		rounds int
	}{{0, 1}, {-1, 10}} { // each leave takes the default linger, which is a second
		t.Run(fmt.Sprint("linger ", c.linger), func(t *testing.T) { testNotices(t, c.linger, c.rounds) })
	}
}

func testNotices(t *testing.T, linger time.Duration, rounds int) {
	cfg := quietly(openConfig())
	cfg.LeaveDelay = linger
	n := start(t, cfg, netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		room := "r " + enc.String()
		watcher, deaf := n.connect(enc), n.connect(enc)
		watcher.Subscribe(&protocol.SubscribeRequest{Channel: room, JoinLeave: true})
		deaf.Subscribe(&protocol.SubscribeRequest{Channel: room})
		own, second := watcher.Push(), watcher.Push()
		if own.Join == nil || second.Join == nil {
			t.Fatalf("got %v and %v, want joins", own, second)
		}
		old := n.join("/"+room[:1]+"%20"+room[2:], noDeflate)
		wstest.Eventually(t, "the plain client is a member", func() bool { return n.room(room).Len() == 3 })
		k := n.connect(enc)
		for range rounds {
			k.Subscribe(&protocol.SubscribeRequest{Channel: room})
			if got := k.Ask(&protocol.Command{PresenceStats: &protocol.PresenceStatsRequest{Channel: room}}).PresenceStats; got.GetNumClients() != 4 || got.NumUsers != 1 {
				t.Errorf("counts: %v", got)
			}
			all := k.Ask(&protocol.Command{Presence: &protocol.PresenceRequest{Channel: room}}).Presence.GetPresence()
			if len(all) != 4 || all[own.Join.Info.Client] == nil || all[second.Join.Info.Client] == nil {
				t.Errorf("presence: %v", all)
			}
			in := watcher.Push()
			k.Ask(&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: room}})
			if got := k.Ask(&protocol.Command{PresenceStats: &protocol.PresenceStatsRequest{Channel: room}}).PresenceStats; got.GetNumClients() != 3 {
				t.Errorf("counts after leaving: %v", got)
			}
			out := watcher.Push()
			if in.Join == nil || out.Leave == nil || all[in.Join.Info.Client] == nil || in.Join.Info.Client != out.Leave.Info.Client {
				t.Errorf("got %v and %v, want a join and a leave", in, out)
			}
		}
		deaf.Conn.Close() // cut off: it leaves too
		if p := watcher.Push(); p.Leave.GetInfo().GetClient() != second.Join.Info.Client {
			t.Errorf("got %v, want that the other left", p)
		}
		if len(k.Replies)+len(deaf.Replies) > 0 {
			t.Errorf("clients that did not ask get notices: %v, %v", k.Replies, deaf.Replies)
		}
		old.leave(t)
		watcher.raw().leave(t)
		k.raw().leave(t)
	})
}

// TestNoticesOfAFastReturn checks that a client which the server joins while it leaves is not
// said to have left.
func TestNoticesOfAFastReturn(t *testing.T) {
	c := quietly(openConfig())
	c.LeaveDelay = time.Hour
	n := start(t, c, netpoll.Config{})
	k := n.connect(wire.JSON)
	var s identity.Session
	for c := range n.s.Conns() {
		s = identity.SessionOf(c)
	}
	for range 2000 {
		var both sync.WaitGroup
		s.Apply(engine.ControlMessage{Kind: engine.ControlSubscribe, Room: "r"})
		both.Go(func() { s.Leave("r") })
		both.Go(func() {
			for i := 0; i < 3; i++ {
				s.Apply(engine.ControlMessage{Kind: engine.ControlSubscribe, Room: "r"})
			}
		})
		both.Wait()
		_, back := s.Membership("r")
		left := n.hub.LeaveDelays().Waiting() > 0
		if back == left {
			t.Fatalf("it is back: %v; it is said to have left: %v", back, left)
		}
	}
	k.Conn.Close()
}
