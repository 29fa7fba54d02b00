package room_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/memory"
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
			c, status, err := dial(d, n.addr, fmt.Sprintf("/%s-%d", who, rooms), noDeflate)
			if err != nil || status == http.StatusServiceUnavailable {
				return rooms
			}
			t.Cleanup(func() { c.c.Close() })
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
	if free := n.hub.Places().Limit() - n.hub.Places().Used(); free != 0 {
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
	state := n.hub.StateOf(greedy)
	for _, k := range []engine.Key{{Table: engine.TableMember, Of: "$r", Name: "bob"}, {Table: engine.TableMine, Of: "bob", Name: "$r"}, {Table: engine.TableMine, Of: "greedy", Name: "$r"}} {
		state.Put(engine.Entry{Key: k, Value: []byte("{}")}, func(_ uint64, err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	pool := n.hub.Shares().Pool()
	if pool.Held(greedy) != pool.Used() || !n.hub.Shares().HasGifts("bob") || n.hub.Shares().HasGifts("greedy") {
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
	if pool.Used() != 0 || n.hub.Shares().HasGifts("bob") {
		t.Errorf("without an entry %d bytes are counted", pool.Used())
	}
}

// TestGuestsEntriesEnd: what an address pays for ends with the guest's token.
func TestGuestsEntriesEnd(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{})
	for owner, ends := range map[budget.Owner]bool{budget.Addr(netip.MustParseAddr("::1")): true, greedy: false, {}: false} {
		k := engine.Key{Table: engine.TableMine, Of: owner.String(), Name: "r"}
		n.hub.StateOf(owner).Put(engine.Entry{Key: k, Value: []byte("{}")}, func(uint64, error) {})
		n.hub.Engine().Get(k, func(e engine.Entry, err error) {
			if err != nil || e.Version == 0 || e.Expires.IsZero() == ends || e.Owner != owner {
				t.Errorf("%q: %+v, %v", owner, e, err)
			}
		})
	}
}

// TestEntriesThatGrow: an owner whose share is full can shrink its entries and write
// others of the same size, but cannot make them grow, whoever writes them.
func TestEntriesThatGrow(t *testing.T) {
	n := start(t, room.Config{Engine: memory.New(memory.Limits{MaxState: 256 << 10})}, netpoll.Config{})
	pool := n.hub.Shares().Pool()
	key := func(i int) engine.Key {
		return engine.Key{Table: engine.TableMine, Of: "greedy", Name: fmt.Sprint("room ", i)}
	}
	write := func(as budget.Owner, k engine.Key, any bool, size int) (failed error) {
		n.hub.Engine().Get(k, func(old engine.Entry, _ error) {
			old.Value = []byte(strings.Repeat("x", size))
			if any {
				old.Version = engine.AnyVersion
			}
			n.hub.StateOf(as).Put(old, func(_ uint64, err error) { failed = err })
		})
		return failed
	}
	entries := 0
	for write(greedy, key(entries), false, 100) == nil {
		entries++
	}
	full := pool.Held(greedy)
	if entries < 10 || full > 256<<10/16 {
		t.Fatalf("the owner writes %d entries of %d bytes", entries, full)
	}
	for i := range entries {
		if err := write(greedy, key(i), false, 100_000); err != room.ErrShareFull {
			t.Fatalf("an entry grows: %v", err)
		}
	}
	for _, c := range []struct {
		name string
		as   budget.Owner
		any  bool
		size int
		want error
		held int64 // by greedy, besides what it held at first
	}{
		{"growing by as much as fits into no share", greedy, false, 2000, room.ErrShareFull, 0},
		{"the same in any version", greedy, true, 2000, room.ErrShareFull, 0},
		{"growing by another one's hand", bystander, false, 2000, room.ErrShareFull, 0},
		{"the same size", greedy, false, 100, nil, 0},
		{"the same size in any version", greedy, true, 100, nil, 0},
		{"shrinking", greedy, false, 50, nil, -50},
		{"shrinking by another one's hand", bystander, false, 40, nil, -60},
		{"growing to what it was", greedy, false, 100, nil, 0},
		{"taken over by another one", bystander, true, 2000, nil, -(engine.EntryCost + 6 + 6 + 100)},
		{"growing, for another one pays for it", greedy, false, 2100, nil, -(engine.EntryCost + 6 + 6 + 100)},
	} {
		if err := write(c.as, key(0), c.any, c.size); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if got := pool.Held(greedy) - full; got != c.held {
			t.Errorf("%s: the owner holds %d bytes more, want %d", c.name, got, c.held)
		}
	}
	stale := engine.Entry{Key: key(1), Value: []byte("{}"), Version: 1 << 40}
	n.hub.StateOf(greedy).Put(stale, func(_ uint64, err error) {
		if err != engine.ErrVersion {
			t.Errorf("an old version: %v", err)
		}
	})
}
