package published

import (
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

func message(key, data string) engine.Message {
	return engine.Message{Op: ws.OpText, Data: []byte(data), Key: key}
}

// check checks that the map and the queue have the same n keys.
func check(t *testing.T, k *Keys, n int) {
	t.Helper()
	if k.Len() != n || len(k.known) != n {
		t.Fatalf("%d keys are in the queue and %d in the map, want %d", k.Len(), len(k.known), n)
	}
}

// TestKeysCompareContent checks which messages are the same message.
func TestKeysCompareContent(t *testing.T) {
	first := engine.Message{Op: ws.OpText, Data: []byte("x"), Key: "k", Tags: map[string]string{"a": "b", "c": "d"}}
	k, now, at := New(time.Minute, 10), time.Unix(1000, 0), engine.Position{Epoch: "e", Offset: 7}
	k.Add("r", first, at, now)
	for name, c := range map[string]struct {
		change func(m *engine.Message)
		want   error
	}{
		"nothing":      {func(*engine.Message) {}, engine.ErrRepeated},
		"author":       {func(m *engine.Message) { m.From = &engine.Author{User: "ann"} }, engine.ErrRepeated},
		"payer":        {func(m *engine.Message) { m.Payer = budget.User("ann") }, engine.ErrRepeated},
		"changed data": {func(m *engine.Message) { m.Data, m.Skip, m.Original = []byte("*"), true, []byte("x") }, engine.ErrRepeated},
		"data":         {func(m *engine.Message) { m.Data = []byte("y") }, engine.ErrKeyReused},
		"kind":         {func(m *engine.Message) { m.Op = ws.OpBinary }, engine.ErrKeyReused},
		"skip":         {func(m *engine.Message) { m.Skip = true }, engine.ErrKeyReused},
		"tags":         {func(m *engine.Message) { m.Tags = map[string]string{"a": "b"} }, engine.ErrKeyReused},
		"key":          {func(m *engine.Message) { m.Key = "l" }, nil},
	} {
		m := first
		c.change(&m)
		pos, known, err := k.Find("r", m, now)
		if err != c.want || known != (c.want != nil) || (pos == at) != (c.want == engine.ErrRepeated) {
			t.Errorf("with another %s: %v, %v, %v", name, pos, known, err)
		}
	}
	if _, known, _ := k.Find("other", first, now); known {
		t.Error("a key is known in another room")
	}
}

// TestKeysForget checks that keys end with their window and above the limit, and that adding a key
// again neither moves it nor prolongs its window.
func TestKeysForget(t *testing.T) {
	k, now := New(time.Minute, 3), time.Unix(1000, 0)
	for i := range 4 {
		k.Add("r", message(fmt.Sprint(i), "x"), engine.Position{Offset: uint64(i) + 1}, now)
		now = now.Add(time.Second)
	}
	check(t, k, 3)
	if _, known, _ := k.Find("r", message("0", "x"), now); known {
		t.Error("the oldest key is there, above the limit")
	}
	k.Add("r", message("1", "x"), engine.Position{Offset: 99}, now)
	check(t, k, 3)
	if pos, known, _ := k.Find("r", message("1", "x"), now); !known || pos.Offset != 2 {
		t.Errorf("the key that was added twice is at %v", pos)
	}
	k.Expire(time.Unix(1061, 0))
	check(t, k, 2)
	k.Expire(time.Unix(1063, 0))
	check(t, k, 0)
}

// TestKeysShares checks that a payer with many keys loses its own, not those of others.
func TestKeysShares(t *testing.T) {
	k, now := New(time.Minute, 100), time.Unix(1000, 0)
	add := func(payer budget.Owner, key string) {
		m := message(key, "x")
		m.Payer = payer
		k.Add("r", m, engine.Position{}, now)
	}
	add(budget.User("other"), "mine")
	for i := range 500 {
		add(budget.User("filler"), fmt.Sprint(i))
	}
	check(t, k, 100)
	if _, known, _ := k.Find("r", message("mine", "x"), now); !known {
		t.Error("the key of the other user is forgotten")
	}
}
