package room_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/netpoll/wstest/shortwrite"
	"webim/room"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
)

// variants returns each of the encodings for every third client.
func variants(i int) string { return []string{noDeflate, deflate, deflateSmall}[i%3] }

// roomy raises the limits of queues, for tests that read late.
func roomy(c netpoll.Config) netpoll.Config {
	c.MaxQueue, c.MaxQueued = 256<<20, 1<<30
	c.CloseTimeout = wstest.Patience
	return c
}

// TestEverybodyGetsEverything checks that every member gets every message that is published after
// it joined, once and in order, however the work is divided. Half of the members join in the
// middle.
func TestEverybodyGetsEverything(t *testing.T) {
	for _, c := range []struct {
		name              string
		cfg               netpoll.Config
		members, messages int
		sizes             sizes
		extensions        func(int) string
		shards            int // of the variant with the most, at least
		writes            int // see shortwrite.Limit
	}{
		{"one worker", netpoll.Config{Workers: 1, Loops: 1}, 40, 500, small, plain, 1, 0},
		{"two workers, two loops", netpoll.Config{Workers: 2, Loops: 2}, 40, 240, mixed, plain, 1, 0},
		{"three bytes a write", netpoll.Config{Workers: 2}, 20, 100, small, variants, 1, 3},
		{"seven bytes a write", netpoll.Config{Workers: 1}, 4, 20, mixed, plain, 1, 7},
		{"small socket buffers", netpoll.Config{Workers: 2, SendBuffer: 4096}, 20, 120, mixed, variants, 1, 0},
		{"deflate", netpoll.Config{Workers: 2, Loops: 2}, 60, 120, mixed, variants, 1, 0},
		{"deflate, one worker", netpoll.Config{Workers: 1}, 12, 120, mixed, variants, 1, 0},
		{"shards", netpoll.Config{Workers: 2, Loops: 2}, 1100, 60, small, plain, 3, 0},
		{"shards, one worker", netpoll.Config{Workers: 1}, 700, 60, small, func(i int) string { return variants(i % 7 / 6) }, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			shortwrite.Limit(t, c.writes)
			n := start(t, room.Config{MaxUnswept: 1 << 30}, roomy(c.cfg))
			var wg sync.WaitGroup
			// gather makes members, which are owed all messages from first on.
			gather := func(count, first int) {
				for i, member := range n.joinAll(count, "/r", c.extensions) {
					wg.Go(func() {
						r := run{sizes: c.sizes}
						err := r.follow(member, c.messages)
						if err == nil {
							err = r.spans(first, c.messages)
						}
						if err != nil {
							t.Errorf("member %d (%q): %v", i, c.extensions(i), err)
							member.Conn.Close()
						}
					})
				}
			}
			publish := func(from, to int) {
				for k := from; k <= to; k++ {
					if err := n.say("r", c.sizes.message(k)); err != nil {
						t.Fatal(err)
					}
				}
			}
			gather(c.members/2, 1)
			publish(1, c.messages/2)
			rest := c.members - c.members/2
			gather(rest, c.messages/2+1)
			publish(c.messages/2+1, c.messages)
			wg.Wait()
			r, most := n.room("r"), 0
			r.Mu().Lock()
			for _, g := range r.Groups() {
				if g != nil {
					most = max(most, len(g.Shards()))
				}
			}
			r.Mu().Unlock()
			if most < c.shards {
				t.Errorf("the room has %d shards, the test needs %d", most, c.shards)
			}
			want := int64(c.members/2*c.messages + rest*(c.messages-c.messages/2))
			wstest.Eventually(t, "each delivery is counted once", func() bool { return n.s.Stats().MessagesOut == want })
		})
	}
}

// TestOneOrderForAll checks that all members see one order, the engine's, in which the messages
// of each sender keep their order, while all members send at once, in two rooms.
func TestOneOrderForAll(t *testing.T) {
	const members, each = 12, 60
	for _, workers := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			n := start(t, room.Config{}, roomy(netpoll.Config{Workers: workers, Loops: 2}))
			for _, room := range []string{"a", "b"} {
				truth := new(enginetest.Exclusive)
				n.hub.Engine().Subscribe(room, enginetest.NoPayer, truth)
				var all [members][]string
				var wg sync.WaitGroup
				for i, c := range n.joinAll(members, "/"+room, variants) {
					wg.Go(func() {
						for k := range each {
							text := fmt.Sprint(i, " ", k, strings.Repeat(" ", k%7*60))
							if err := c.send(ws.OpText, text); err != nil {
								t.Error(err)
							}
						}
					})
					wg.Go(func() {
						for range each * members {
							_, p, err := c.read()
							if err != nil {
								t.Errorf("member %d: %v", i, err)
								return
							}
							all[i] = append(all[i], string(p))
						}
						c.Conn.Close()
					})
				}
				wg.Wait()
				n.hub.Engine().Unsubscribe(room, truth)
				if len(truth.Got()) != each*members {
					t.Fatalf("%d publications, want %d", len(truth.Got()), each*members)
				}
				var next [members]int
				for k, p := range truth.Got() {
					var i, nth int
					if fmt.Sscan(string(p.Data), &i, &nth); nth != next[i] {
						t.Fatalf("member %d's message %d was published in the place of %d", i, nth, next[i])
					}
					next[i]++
					for m := range all {
						if k < len(all[m]) && all[m][k] != string(p.Data) {
							t.Fatalf("member %d got %q as number %d, not %q", m, all[m][k], k, p.Data)
						}
					}
				}
				wstest.Eventually(t, "the room ends", func() bool { return n.hub.Stats().Members == 0 })
			}
		})
	}
}

// pacing is an engine that has goroutines of its own, as one with a store.
type pacing struct{ *memory.Engine }

func (pacing) Pace(func() time.Duration) {}

// TestSweepMakesWay checks that a goroutine of an engine which is ready runs after a batch of a sweep. There is one
// processor, so that only the sweep can make way.
func TestSweepMakesWay(t *testing.T) {
	const batches = 3
	n := start(t, room.Config{Engine: pacing{memory.New(memory.Limits{})}}, netpoll.Config{})
	n.joinAll(batches*room.SweepBatch, "/r", plain)
	r := n.room("r")
	r.Mu().Lock()
	sh := r.Groups()[room.KindOf(room.PlainDialect, netpoll.Plain, false)].Shards()[0]
	sh.G().Log().Append(ws.OpText, []byte("hello"))
	r.Mu().Unlock()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i := 1; i <= batches; i++ {
		var ran atomic.Bool
		go ran.Store(true)
		more := sh.Sweep()
		if more != (i < batches) {
			t.Fatalf("batch %d of %d: more is %v", i, batches, more)
		}
		if more && !ran.Load() {
			t.Errorf("batch %d has not made way", i)
		}
	}
}
