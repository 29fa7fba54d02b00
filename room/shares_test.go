package room_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/token"
)

var (
	greedy    = budget.User("greedy")
	bystander = budget.User("bystander")
)

// TestRoomsShares: an address that takes all the rooms that it may leaves some to
// others, and whoever has a token connects even when all are taken.
func TestRoomsShares(t *testing.T) {
	v, sign := tokens(t)
	cfg := room.Config{Tokens: v, Anonymous: true, MaxRooms: 40, Personal: true}
	n := start(t, quietly(open(cfg)), netpoll.Config{})
	fill := func(d *net.Dialer, who string) (rooms int) {
		for ; ; rooms++ {
			c, status, err := n.dial(d, fmt.Sprintf("/%s-%d", who, rooms), noDeflate)
			if err != nil || status == http.StatusServiceUnavailable {
				return rooms
			}
			t.Cleanup(func() { c.Conn.Close() })
		}
	}
	if rooms := fill(new(net.Dialer), "first"); rooms < 2 || rooms > 10 {
		t.Errorf("one address has %d rooms of 40", rooms)
	}
	connect := func(user string) *client {
		c := n.chat()
		c.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: user}, time.Hour))
		if got := c.reply(t); field(t, got, "connect", "client") == nil {
			t.Fatalf("connecting: %s", got)
		}
		return c
	}
	ann := connect("ann")
	ann.say(t, `{"id":2,"subscribe":{"channel":"anns"}}`)
	if got := ann.reply(t); !strings.HasPrefix(got, `{"id":2,"subscribe"`) {
		t.Errorf("a user cannot join a room after an address took its share: %s", got)
	}
	for i := range 100 {
		fill(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}}, fmt.Sprint("other-", i))
	}
	if free := n.hub.RoomPool().Limit() - n.hub.RoomPool().Used(); free != 0 {
		t.Fatalf("%d rooms are free", free)
	}
	bob := connect("bob")
	bob.say(t, `{"id":2,"subscribe":{"channel":"bobs"}}`)
	if got := bob.reply(t); field(t, got, "error", "code") != 106.0 {
		t.Errorf("one room too many: %s", got)
	}
	bob.say(t, `{"id":3,"subscribe":{"channel":"anns"}}`)
	if got := bob.reply(t); !strings.HasPrefix(got, `{"id":3,"subscribe"`) {
		t.Errorf("bob cannot join a room that is there: %s", got)
	}
	if n.room("#bob").Len() != 1 {
		t.Error("bob is not in his own room")
	}
}

// TestGifts: the maker of a membership pays for it until the user first connects,
// and that user from then on.
func TestGifts(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, quietly(open(room.Config{Tokens: v})), netpoll.Config{})
	state := n.hub.Shares().StateOf(greedy)
	for _, k := range []engine.Key{{Table: engine.TableMember, Of: "$r", Name: "bob"}, {Table: engine.TableMine, Of: "bob", Name: "$r"}, {Table: engine.TableMine, Of: "greedy", Name: "$r"}} {
		state.Put(engine.Entry{Key: k, Value: []byte("{}")}, func(_ uint64, err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	pool := n.hub.Shares()
	if pool.Held(greedy) != pool.Used() || pool.Used() == 0 {
		t.Fatalf("the maker pays for %d of %d bytes", pool.Held(greedy), pool.Used())
	}
	bob := n.chat()
	bob.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: "bob"}, time.Hour))
	bob.reply(t)
	own := engine.Entry{Key: engine.Key{Table: engine.TableMine, Of: "greedy", Name: "$r"}, Value: []byte("{}")}
	if pool.Held(greedy) != own.Cost() || pool.Held(budget.User("bob")) != pool.Used()-own.Cost() {
		t.Errorf("of %d bytes the maker pays for %d and bob for %d", pool.Used(), pool.Held(greedy), pool.Held(budget.User("bob")))
	}
	for _, k := range []engine.Key{{Table: engine.TableMember, Of: "$r", Name: "bob"}, {Table: engine.TableMine, Of: "bob", Name: "$r"}, own.Key} {
		state.Delete(k, engine.AnyVersion, func(error) {})
	}
	if pool.Used() != 0 {
		t.Errorf("without an entry %d bytes are counted", pool.Used())
	}
}
