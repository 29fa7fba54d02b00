package waiting

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// conn is a connection that waits, until it has opened or ended.
type conn struct{ gone bool }

func queue() *Queue[*conn] { return &Queue[*conn]{Waits: func(c *conn) bool { return !c.gone }} }

// Taking the oldest of those that wait costs the same however many they are.
func BenchmarkWaitingPop(b *testing.B) {
	for _, n := range []int{100, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := queue()
			r := new(conn)
			for range n {
				w.Push(r, 0)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := w.Pop(0); !ok {
					b.Fatal("none waits")
				}
				w.Push(r, 0)
			}
		})
	}
}

// Those that wait come out in the order in which they came, whatever has gone meanwhile.
func TestWaitingOrder(t *testing.T) {
	w := queue()
	rnd := rand.New(rand.NewPCG(1, 2))
	var want []*conn
	for i := range 5000 {
		switch rnd.IntN(4) {
		case 0:
			var next *conn
			for len(want) > 0 && next == nil {
				if r := want[0]; !r.gone {
					next = r
				}
				want = want[1:]
			}
			if c, ok := w.Pop(0); ok != (next != nil) || c != next {
				t.Fatalf("step %d: got %p, want %p", i, c, next)
			}
		case 1:
			if len(want) > 0 {
				want[rnd.IntN(len(want))].gone = true
			}
		default:
			r := new(conn)
			w.Push(r, 0)
			want = append(want, r)
		}
	}
}

// A connection is not taken before its time, and those behind it wait with it. The clock may wrap round.
func TestWaitingTime(t *testing.T) {
	q := queue()
	const first = 1<<32 - 2
	a, b := new(conn), new(conn)
	q.Push(a, first)
	q.Push(b, 3)
	if c, ok := q.Pop(first - 1); ok {
		t.Errorf("%p is taken before its time", c)
	}
	if c, ok := q.Pop(2); !ok || c != a {
		t.Errorf("got %p, %v, want the first", c, ok)
	}
	if c, ok := q.Pop(2); ok {
		t.Errorf("%p is taken before its time", c)
	}
	if c, ok := q.Pop(3); !ok || c != b {
		t.Errorf("got %p, %v, want the second", c, ok)
	}
}
