package netpoll

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"webim/netpoll/internal/sched"
	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// said is a masked text frame of at most 125 bytes.
func said(text string) []byte {
	return ws.MustCompileFrame(ws.MaskFrameInPlaceWith(ws.NewTextFrame([]byte(text)), [4]byte{1, 2, 3, 4}))
}

// order notes what runs on one worker, from which it is called.
type order struct {
	ran  []string
	done chan string
}

func (o *order) turn(s *Server, name string, mores int) *Turn {
	return s.NewTurn(func() bool {
		o.ran = append(o.ran, name)
		if name == "end" {
			o.done <- strings.Join(o.ran, " ")
		}
		mores--
		return mores >= 0
	})
}

// A turn that a callback has asked for runs right after the connection's, before all that
// was queued earlier, within the bound of writes; once, however often it is asked for.
func TestWakeAfter(t *testing.T) {
	for _, c := range []struct {
		name string
		ask  func(c Conn, turn func(name string, mores int) *Turn)
		want string
	}{
		{"one", func(c Conn, turn func(string, int) *Turn) {
			turn("queued", 0).Wake()
			turn("after", 0).WakeAfter(c.ID(), 1)
		}, "message after queued end"},
		{"in their order", func(c Conn, turn func(string, int) *Turn) {
			turn("a", 0).WakeAfter(c.ID(), 1)
			turn("queued", 0).Wake()
			turn("b", 0).WakeAfter(c.ID(), 1)
		}, "message a b queued end"},
		{"what is more goes to the list", func(c Conn, turn func(string, int) *Turn) {
			turn("queued", 0).Wake()
			turn("after", 1).WakeAfter(c.ID(), 1)
		}, "message after queued after end"},
		{"asked for often", func(c Conn, turn func(string, int) *Turn) {
			after := turn("after", 0)
			after.WakeAfter(c.ID(), 1)
			after.WakeAfter(c.ID(), 1)
			after.Wake()
		}, "message after end"},
		{"queued already", func(c Conn, turn func(string, int) *Turn) {
			turn("queued", 0).Wake()
			after := turn("after", 0)
			after.Wake()
			after.WakeAfter(c.ID(), 1)
		}, "message queued after end"},
		{"as many writes as it may", func(c Conn, turn func(string, int) *Turn) {
			turn("queued", 0).Wake()
			turn("a", 0).WakeAfter(c.ID(), sched.MaxWrites-1)
			turn("b", 0).WakeAfter(c.ID(), 1)
		}, "message a b queued end"},
		{"one more", func(c Conn, turn func(string, int) *Turn) {
			turn("queued", 0).Wake()
			turn("a", 0).WakeAfter(c.ID(), sched.MaxWrites)
			turn("b", 0).WakeAfter(c.ID(), 1)
		}, "message a queued b end"},
		{"too many at once", func(c Conn, turn func(string, int) *Turn) {
			turn("queued", 0).Wake()
			turn("a", 0).WakeAfter(c.ID(), sched.MaxWrites+1)
			turn("b", 0).WakeAfter(c.ID(), 1)
		}, "message b queued a end"},
		{"no connection", func(c Conn, turn func(string, int) *Turn) {
			turn("queued", 0).Wake()
			turn("a", 0).WakeAfter(0, 1)
			turn("b", 0).WakeAfter(c.ID()+1<<33, 1)
		}, "message queued a b end"},
		{"a panic", func(c Conn, turn func(string, int) *Turn) {
			c.s.NewTurn(func() bool { panic("no way") }).WakeAfter(c.ID(), 1)
			turn("a", 0).WakeAfter(c.ID(), 1)
		}, "message a end"},
		{"after a panic of the callback", func(c Conn, turn func(string, int) *Turn) {
			turn("a", 0).WakeAfter(c.ID(), 1)
			turn("end", 0).Wake()
			panic("no way")
		}, "message a end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := order{done: make(chan string, 1)}
			s := serve(t, Config{Workers: 1}, &Funcs{OnMessage: func(conn Conn, _ ws.OpCode, data []byte) {
				o.ran = append(o.ran, "message")
				c.ask(conn, func(name string, mores int) *Turn { return o.turn(conn.s, name, mores) })
				if !strings.Contains(c.name, "more goes") {
					o.turn(conn.s, "end", 0).Wake()
					return
				}
				end := o.turn(conn.s, "end", 0) // behind what the list's own turns put there
				conn.s.NewTurn(func() bool { end.Wake(); return false }).Wake()
			}})
			_, end := join(t, s, 0)
			end.Write(said("hello"))
			if got := <-o.done; got != c.want {
				t.Errorf("ran %s; want %s", got, c.want)
			}
		})
	}
}

// A turn that has run after a connection's may ask for others: they are not lost.
func TestWakeAfterFromWithin(t *testing.T) {
	o := order{done: make(chan string, 1)}
	s := serve(t, Config{Workers: 1}, &Funcs{OnMessage: func(c Conn, _ ws.OpCode, data []byte) {
		o.turn(c.s, "end", 0).Wake()
		inner := o.turn(c.s, "inner", 0)
		c.s.NewTurn(func() bool {
			o.ran = append(o.ran, "outer")
			inner.WakeAfter(c.ID(), 1)
			return false
		}).WakeAfter(c.ID(), 1)
	}})
	_, end := join(t, s, 0)
	end.Write(said("hello"))
	if got := <-o.done; got != "outer inner end" {
		t.Errorf("ran %s", got)
	}
}

// The protocol of the turns, beside what was posted: connections' callbacks and goroutines
// that are no workers wake turns in either way at random.
func TestWakeAfterProtocol(t *testing.T) {
	for _, cfg := range []Config{{Loops: 1, Workers: 1}, {Loops: 1, Workers: 1, RunOnLoop: true}, {Loops: 2, Workers: 3}, {Loops: 2, Workers: 2, RunOnLoop: true}} {
		t.Run(fmt.Sprintf("%d loops, %d workers, %v", cfg.Loops, cfg.Workers, cfg.RunOnLoop), func(t *testing.T) {
			const clients, messages, turns = 4, 300, 5
			all, counted := make([]*Turn, turns), make([]wstest.Counted, turns)
			wake := func(id ID) {
				i := rand.IntN(turns)
				counted[i].Post()
				if rand.IntN(3) == 0 {
					all[i].Wake()
				} else {
					all[i].WakeAfter(id, rand.IntN(60))
				}
			}
			s := serve(t, cfg, &Funcs{OnMessage: func(c Conn, _ ws.OpCode, _ []byte) {
				for range rand.IntN(4) {
					wake(c.ID())
				}
				_ = c.Push(ws.OpText, []byte("ok"))
			}})
			for i := range all {
				all[i] = s.NewTurn(counted[i].Run)
			}
			var wg sync.WaitGroup
			for range clients {
				c, end := join(t, s, 0)
				wg.Go(func() {
					for range messages {
						end.Write(said("hello"))
					}
				})
				wg.Go(func() {
					for range messages {
						nextFrame(t, end)
					}
				})
				wg.Go(func() {
					for range messages {
						wake(c.ID())
					}
				})
			}
			wg.Wait()
			for i := range all {
				wstest.Eventually(t, "all that was posted is looked at", func() bool { return counted[i].SawAll() && all[i].job.String() == "idle" })
				counted[i].Check(t, i)
			}
		})
	}
}

// A reply, and a broadcast that the same message makes, leave in one write, the reply first. If the
// broadcast takes many writes the reply does not wait for it.
func TestReplyLeavesWithBroadcast(t *testing.T) {
	for _, c := range []struct {
		writes int
		early  bool
		onLoop bool
	}{{1, false, false}, {1, false, true}, {sched.FewWrites, false, false}, {sched.FewWrites + 1, true, false}} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			var end *peerEnd
			var s *Server
			var log *Log
			ready, early := make(chan struct{}), make(chan bool, 1)
			s = serve(t, Config{Workers: 1, RunOnLoop: c.onLoop}, &Funcs{OnMessage: func(conn Conn, _ ws.OpCode, data []byte) {
				<-ready
				log.Append(ws.OpText, []byte("broadcast"))
				turn := s.NewTurn(func() bool {
					early <- hasInput(t, end)
					if err := s.Offer(conn.ID(), log.Next(0)); err != nil {
						t.Error(err)
					}
					log.Forget(log.End())
					return false
				})
				turn.WakeAfter(conn.ID(), c.writes)
				if err := conn.Reply(ws.OpText, []byte("reply")); err != nil {
					t.Error(err)
				}
			}})
			log = s.NewLog(Plain)
			_, end = join(t, s, 0)
			close(ready)
			end.Write(said("hello"))
			if got := <-early; got != c.early {
				t.Errorf("the reply came before the broadcast was made: %v", got)
			}
			for _, want := range []string{"reply", "broadcast"} {
				if got := nextFrame(t, end); !bytes.HasSuffix(got, []byte(want)) {
					t.Errorf("got %q; want %q", got, want)
				}
			}
		})
	}
}

// hasInput reports whether the client's socket has something to be read.
func hasInput(t *testing.T, end *peerEnd) (has bool) {
	raw, err := end.Conn.(interface {
		SyscallConn() (syscall.RawConn, error)
	}).SyscallConn()
	if err != nil {
		t.Error(err)
		return false
	}
	raw.Control(func(fd uintptr) {
		n, _, _ := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		has = n > 0
	})
	return has
}
