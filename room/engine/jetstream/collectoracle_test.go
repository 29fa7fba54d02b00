package jetstream

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/seal"
)

// TestCollectOracle takes random steps on three nodes, of which collectors are killed before random steps: each text in the log stays readable, and in
// the end each unused key is gone.
func TestCollectOracle(t *testing.T) {
	rounds := 2 // with a fresh State, and without
	if wstest.Long() {
		rounds = 20
	}
	for round := range rounds {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(round), func(t *testing.T) { collectOracle(t, rand.New(rand.NewPCG(seed, 1)), seed, round%2 == 0) })
	}
}

// collectOracle is one run. If fresh is true, the copies of the State are fresh enough, so nodes ask for no key: then a round waits until all copies have it.
func collectOracle(t *testing.T, random *rand.Rand, seed uint64, fresh bool) {
	t.Logf("the seed is %d", seed)
	s := startServer(t)
	var mu sync.Mutex
	left := map[*Engine]int{} // steps until the collector is killed
	var nodes []*Engine
	step := func(e *Engine, name string) error {
		for name == "look again" && fresh && slices.ContainsFunc(nodes, func(o *Engine) bool { return o.unused.view.ID() != e.unused.view.ID() }) {
			if time.Sleep(time.Millisecond); e.ctx.Err() != nil {
				return errKilled
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if n, ok := left[e]; ok {
			if left[e]--; n <= 0 {
				return errKilled
			}
		}
		return nil
	}
	cfg := collecting(step)
	cfg.unused.most = 2
	cfg.Log = slog.New(slog.DiscardHandler)
	if fresh {
		cfg.unused.fresh = time.Hour
	}
	for range 3 {
		nodes = append(nodes, open(t, s, cfg))
	}
	type said1 struct {
		at         uint64
		user, text string
	}
	rooms := map[string][]said1{"a": nil, "b": nil}
	roomOf := func() string { return []string{"a", "b"}[random.IntN(2)] }
	var collectors sync.WaitGroup
	check := func() {
		t.Helper()
		for room, all := range rooms {
			var want []string
			for _, one := range all {
				want = append(want, one.text)
			}
			e := nodes[random.IntN(3)]
			eventually(t, func() error {
				part, err := tryHistory(t, e, room, engine.Span{Limit: -1})
				if err != nil {
					return err
				}
				h, err := readable(part)
				got := slices.DeleteFunc(strings.Fields(h), func(text string) bool { return text == "-" })
				if err == nil && !slices.Equal(got, want) {
					err = fmt.Errorf("the room %s has %q, want %q", room, got, want)
				}
				return err
			})
		}
	}
	for i := range 60 {
		e, user := nodes[random.IntN(3)], fmt.Sprint("u", random.IntN(5))
		switch n := random.IntN(20); {
		case n < 9:
			room, text := roomOf(), fmt.Sprint("t", i)
			got := publish(t, e, room, said(user, text))
			if got.err != nil {
				t.Fatal(got.err)
			}
			rooms[room] = append(rooms[room], said1{got.pos.Offset, user, text})
		case n < 13:
			room := roomOf()
			if all := rooms[room]; len(all) > 0 {
				before := all[random.IntN(len(all))].at + 1
				expire(t, e, room, before)
				rooms[room] = slices.DeleteFunc(all, func(one said1) bool { return one.at < before })
			}
		case n < 14:
			erase(t, e, user)
			for room, all := range rooms {
				rooms[room] = slices.DeleteFunc(all, func(one said1) bool { return one.user == user })
			}
			check() // the other nodes have to hear of it
		case n < 18:
			mu.Lock()
			if delete(left, e); random.IntN(2) == 0 {
				left[e] = random.IntN(8)
			}
			mu.Unlock()
			collectors.Wait()
			collectors.Go(func() {
				e.unused.stored.Store(1)
				_ = e.collect()
			})
		default:
			check()
		}
	}
	collectors.Wait()
	check()
	mu.Lock()
	clear(left)
	mu.Unlock()
	want := map[string]bool{}
	for _, all := range rooms {
		for _, one := range all {
			want[one.user] = true
		}
	}
	eventually(t, func() error {
		collectNow(t, nodes[0])
		for _, user := range strings.Fields(users(t, nodes[0])) {
			if !want[user] && !isNeeded(t, nodes[0], user) {
				return fmt.Errorf("the unused key of %s is still there", user)
			}
		}
		return nil
	})
	check()
	if n := len(nodes[0].unused.view.Kept()); n != 0 {
		t.Errorf("%d entries of kept keys are left", n)
	}
}

// isNeeded reports whether a stored message is sealed with the key of a user.
func isNeeded(t *testing.T, e *Engine, user string) bool {
	id, _ := seal.RecordID(keyRecord(t, e, user))
	c := e.class("a")
	for seq := uint64(1); ; seq++ {
		one, err := e.read.Leader().Next(context.Background(), c.Stream, ">", seq)
		if err != nil {
			return false
		}
		seq = one.Seq
		if env, err := envelope.Decode(one.Data); err == nil && env.Sealed != nil && seal.KeyID(env.Sealed) == id {
			return true
		}
	}
}
