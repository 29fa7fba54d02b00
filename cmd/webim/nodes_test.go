package main_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/nats-io/nats-server/v2/server"

	"webim/netpoll/wstest"
	"webim/room/token"
)

const nodesSecret = "a secret of the tokens of all nodes"

// nodesRooms lets users do everything in the rooms of these tests.
const nodesRooms = `rooms:
  - match: "*"
    history: 100
    recover: true
    presence: true
    join_leave: true
    allow: {join: user, read: user, history: user, presence: user, send: user}
`

// startNode starts a webim on a NATS server.
func startNode(t *testing.T, program, nats string, more ...string) *running {
	t.Helper()
	return launch(t, program, nil, append([]string{"--listen", "127.0.0.1:0", "--api", "--api-key", storeKey, "--shutdown-spread", "1ms", "--ping-interval", "none",
		"--token-secret", nodesSecret, "--nats", "nats://" + nats, "--config", tempFile(t, "webim.yaml", nodesRooms)}, more...)...)
}

// tokenOf returns a token of a user.
func tokenOf(t *testing.T, name string) string {
	t.Helper()
	signer, err := token.NewSigner(token.Key{Secret: []byte(nodesSecret)})
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := signer.Sign(token.Claims{User: name, Expires: time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	return jwt
}

// user connects a client with a token of a user, and returns its client id.
func (r *running) user(name string) (c *wstest.Protocol, id string) {
	r.t.Helper()
	c = wstest.OpenProtocol(r.t, r.addrs[0], "/connection/websocket", false)
	return c, c.Connect(&protocol.ConnectRequest{Token: tokenOf(r.t, name)}).Client
}

// join makes a client a member that is told of joins and leaves.
func join(c *wstest.Protocol, room string) {
	c.Subscribe(&protocol.SubscribeRequest{Channel: room, JoinLeave: true})
}

// expectNotices reads joins (+) and leaves (-) of clients, in any order.
func expectNotices(t *testing.T, c *wstest.Protocol, want ...string) {
	t.Helper()
	var got []string
	for range want {
		c.ResetDeadline()
		switch p := c.Push(); {
		case p.Join != nil:
			got = append(got, "+"+p.Join.Info.Client)
		case p.Leave != nil:
			got = append(got, "-"+p.Leave.Info.Client)
		default:
			t.Fatalf("got %+v after %q, want %q", p, got, want)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// TestNodes checks real nodes on one NATS server.
func TestNodes(t *testing.T) {
	t.Parallel()
	program := build(t, false)
	for name, test := range map[string]func(*testing.T, [3]*running){"Control": testNodesControl, "Death": testNodesDeath} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nats := startNATS(t, &server.Options{})
			test(t, [3]*running{startNode(t, program, nats), startNode(t, program, nats), startNode(t, program, nats)})
		})
	}
}

// testNodesControl sends to clients of b by calls on a, and checks that the others are left alone.
func testNodesControl(t *testing.T, nodes [3]*running) {
	a, b, c := nodes[0], nodes[1], nodes[2]
	bob, bobID := b.user("bob")
	also, alsoID := c.user("bob")
	ann, annID := c.user("ann")
	join(bob, "r")
	expectNotices(t, bob, "+"+bobID)
	join(ann, "r")
	expectNotices(t, bob, "+"+annID)
	expectNotices(t, ann, "+"+annID)

	if got := a.call("info", "{}"); strings.Count(got, `"uid"`) != 3 {
		t.Errorf("info: %s", got)
	}
	if got := a.call("presence", `{"channel":"r"}`); !strings.Contains(got, bobID) || !strings.Contains(got, annID) || strings.Contains(got, alsoID) {
		t.Errorf("presence: %s", got)
	}
	if got := a.call("presence_stats", `{"channel":"r"}`); !strings.Contains(got, `"num_clients":2,"num_users":2`) {
		t.Errorf("presence_stats: %s", got)
	}
	a.call("publish", `{"channel":"r","data":{"text":"to the room"}}`)
	for _, one := range []*wstest.Protocol{bob, ann} {
		if p := one.Push(); p.Pub == nil || string(p.Pub.Data) != `{"text":"to the room"}` {
			t.Errorf("%+v", p)
		}
	}
	a.call("send", `{"user":"bob","data":"to the user"}`)
	for _, one := range []*wstest.Protocol{bob, also} {
		if p := one.Push(); p.Message == nil || string(p.Message.Data) != `"to the user"` {
			t.Errorf("%+v", p)
		}
	}
	a.call("send", fmt.Sprintf(`{"client":%q,"data":"to the connection"}`, alsoID))
	if p := also.Push(); p.Message == nil || string(p.Message.Data) != `"to the connection"` {
		t.Errorf("%+v", p)
	}
	a.call("subscribe", fmt.Sprintf(`{"user":"bob","client":"%s","channel":"s"}`, alsoID))
	if p := also.Push(); p.Subscribe == nil || p.Channel != "s" {
		t.Errorf("%+v", p)
	}
	a.call("disconnect", fmt.Sprintf(`{"user":"bob","client":"%s","disconnect":{"code":4321,"reason":"this connection"}}`, alsoID))
	if code, reason := also.Disconnected(); code != 4321 || reason != "this connection" {
		t.Errorf("%d %s", code, reason)
	}
	bob.Publish("r", `{"text":"the other connection stays"}`)
	if p := ann.Push(); p.Pub == nil {
		t.Errorf("%+v", p)
	}
	bob.Push()

	a.call("kick", `{"user":"ann","channel":"r"}`)
	if p := ann.Push(); p.Unsubscribe == nil || p.Channel != "r" {
		t.Errorf("%+v", p)
	}
	if p := bob.Push(); p.Pub == nil || p.Pub.Tags["event"] != "kick" {
		t.Errorf("%+v", p)
	}
	expectNotices(t, bob, "-"+annID)
	a.call("ban", `{"user":"ann","seconds":60}`)
	if code, _ := ann.Disconnected(); code != 4503 {
		t.Errorf("a banned user is disconnected with %d", code)
	}
	a.call("revoke", fmt.Sprintf(`{"user":"bob","expire_at":%d}`, time.Now().Add(time.Hour).Unix()))
	if code, _ := bob.Disconnected(); code != 3500 {
		t.Errorf("a client with a revoked token is disconnected with %d", code)
	}
}

// testNodesDeath kills a node and lets another one stand still. The members of both are told as left, once each, and are
// missing from lists and counts. When the second one goes on, its members are told as joined.
func testNodesDeath(t *testing.T, nodes [3]*running) {
	a, b, c := nodes[0], nodes[1], nodes[2]
	watcher, watcherID := a.user("watcher")
	join(watcher, "r")
	expectNotices(t, watcher, "+"+watcherID)
	var left []string
	var last string
	for i, n := range []*running{b, b, c} {
		one, id := n.user(fmt.Sprint("user", i))
		join(one, "r")
		expectNotices(t, watcher, "+"+id)
		left, last = append(left, "-"+id), id
	}
	early, earlyID := b.user("early") // the watcher knows it only by the list
	join(early, "listed")
	expectNotices(t, early, "+"+earlyID)
	join(watcher, "listed")
	expectNotices(t, watcher, "+"+watcherID)
	if got := watcher.Ask(&protocol.Command{Presence: &protocol.PresenceRequest{Channel: "listed"}}); len(got.Presence.Presence) != 2 {
		t.Errorf("%+v", got)
	}

	c.signal(syscall.SIGSTOP)
	b.kill()
	expectNotices(t, watcher, append(left, "-"+earlyID)...)
	if got := a.call("presence_stats", `{"channel":"r"}`); !strings.Contains(got, `"num_clients":1,"num_users":1`) {
		t.Errorf("presence_stats: %s", got)
	}
	if got := a.call("info", "{}"); strings.Count(got, `"uid"`) != 1 {
		t.Errorf("info: %s", got)
	}

	c.signal(syscall.SIGCONT)
	expectNotices(t, watcher, "+"+last)
	if got := a.call("presence_stats", `{"channel":"r"}`); !strings.Contains(got, `"num_clients":2,"num_users":2`) {
		t.Errorf("presence_stats: %s", got)
	}
	watcher.Publish("r", `{"text":"nothing else was told"}`)
	if p := watcher.Push(); p.Pub == nil {
		t.Errorf("%+v", p)
	}
}
