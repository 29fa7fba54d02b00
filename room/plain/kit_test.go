package plain_test

import (
	"context"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/roomtest"
	"webim/room/token"
)

// The test kit: a node with its hub, and plain clients with and without tokens.

func TestMain(m *testing.M) { wstest.Main(m) }

var secret = token.Key{Secret: []byte("a secret of thirty-two bytes or more")}

// node is a hub with its server.
type node struct {
	t    *testing.T
	hub  *room.Hub
	addr string
	sign *token.Signer
}

// start serves a hub until the test ends, and checks then that no room and no member is left. By
// default, tokens are verified, and everybody may do everything in every room.
func start(t *testing.T, cfg room.Config) *node {
	t.Helper()
	v, err := token.New(token.Config{Keys: []token.Key{secret}})
	must(t, err)
	sign, err := token.NewSigner(secret)
	must(t, err)
	cfg.Engine, cfg.Tokens = memory.New(memory.Limits{}), v
	if cfg.Options == nil {
		cfg.Options = policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}.Options
	}
	hub := room.NewHub(cfg)
	addr := roomtest.Serve(t, hub, func(context.Context) {
		if st := hub.Stats(); st.Rooms+st.Members > 0 || st.Unswept > 0 {
			t.Errorf("left in the hub: %+v", st)
		}
		v.Close()
	})
	return &node{t, hub, addr, sign}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// token returns a token that expires after alive, or never if alive is 0.
func (n *node) token(c token.Claims, alive time.Duration) string {
	n.t.Helper()
	if alive != 0 {
		c.Expires = time.Now().Add(alive).Unix()
	}
	text, err := n.sign.Sign(c)
	must(n.t, err)
	return text
}

// join connects a client to a room, without a token.
func (n *node) join(room string) *wstest.Client {
	n.t.Helper()
	return wstest.ConnectPath(n.t, n.addr, "/"+room)
}

// joinAs connects a client to a room with a token of a user.
func (n *node) joinAs(user, room string) *wstest.Client {
	n.t.Helper()
	return n.joinWith(token.Claims{User: user}, room)
}

func (n *node) joinWith(c token.Claims, room string) *wstest.Client {
	n.t.Helper()
	return n.join(room + "?token=" + n.token(c, time.Hour))
}

// sanctioned calls Impose, Lift or Kick, which must succeed.
func (n *node) sanctioned(do func(moderation.Sanction, *engine.Author, func(error)), s moderation.Sanction) {
	n.t.Helper()
	failed := make(chan error, 1)
	do(s, nil, func(err error) { failed <- err })
	must(n.t, <-failed)
}

// set stores the settings of a room.
func (n *node) set(room, settings string) {
	n.t.Helper()
	failed := make(chan error, 1)
	n.hub.Engine().Put(engine.Entry{Key: engine.Key{Table: engine.TableRoom, Of: room}, Value: []byte(settings), Version: engine.AnyVersion},
		func(_ uint64, err error) { failed <- err })
	must(n.t, <-failed)
}

// said sends a text, which each of the members must receive.
func said(sender *wstest.Client, text string, members ...*wstest.Client) {
	sender.Send(0x81, text)
	for _, c := range members {
		c.Expect(0x81, text)
	}
}

// lost sends a text, which the server must drop. The pong shows that the server has handled it, and a
// later message shows that no member has received it.
func lost(sender *wstest.Client, text string) {
	sender.Send(0x81, text)
	sender.Send(0x89, text)
	sender.Expect(0x8a, text)
}
