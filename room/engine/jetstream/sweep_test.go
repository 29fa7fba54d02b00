package jetstream

import (
	"fmt"
	"testing"
	"time"

	"webim/room/budget"
	"webim/room/engine/jetstream/internal/sweep"
)

// TestSweep checks that publications that the server has sent in vain are found although nothing comes later and
// the connection stays: all of a burst, or only the last one.
func TestSweep(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	b := open(t, s, Config{Keep: always, sweep: 20 * time.Millisecond})
	const rooms = 10
	var all [rooms]*recorder
	var said [rooms]int
	say := func(i, n int) {
		t.Helper()
		for range n {
			if got := publish(t, a, fmt.Sprint(i), text(fmt.Sprint(said[i]))); got.err != nil {
				t.Fatal(got.err)
			}
			said[i]++
		}
	}
	check := func(i int) {
		t.Helper()
		all[i].wait(t, fmt.Sprint("all publications of room ", i), func() bool { return len(all[i].got) == said[i] })
		checkChain(t, all[i].got)
	}
	for i := range all {
		all[i] = subscribe(t, b, fmt.Sprint(i))
		say(i, 2)
		check(i)
	}
	for round := range 2 { // the second time, in rooms of which something was lost before
		for i := range all {
			if i%3 == 0 {
				continue // nothing is lost
			}
			if i%3 == 1 {
				say(i, 1)
				check(i)
			}
			deaf(t, b, fmt.Sprint(i)) // for ever
			say(i, 1+round)
		}
		for i := range all {
			check(i)
			if n := len(all[i].begins); n != 1 {
				t.Errorf("room %d has begun %d times", i, n)
			}
		}
		if round == 0 {
			for i := range all {
				if err := b.topic(fmt.Sprint(i)).listen(); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.nc.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// BenchmarkSweep compares 10,000 rooms with members, all in one class, with the log: of "quiet" rooms nothing is new,
// of "busy" ones one in ten has a new message.
func BenchmarkSweep(b *testing.B) {
	const rooms = 10_000
	e := open(b, startServer(b), Config{Keep: always, sweep: time.Hour})
	var n counter
	for i := range rooms {
		e.Subscribe(fmt.Sprint(i), budget.Owner{}, &n)
		if i%10 == 0 {
			publish(b, e, fmt.Sprint(i), text("x"))
		}
	}
	c := e.class("0")
	all := e.topics.all()
	topics := map[string]sweep.Room{}
	for _, t := range all {
		topics[t.subj] = t
		began := make(chan error, 1)
		t.whenBegun(func(err error) { began <- err })
		if err := receive(b, began); err != nil {
			b.Fatal(err)
		}
	}
	run := func() {
		if err := e.sweepClass(c, topics); err != nil {
			b.Fatal(err)
		}
	}
	run()
	for _, busy := range []bool{false, true} {
		b.Run(map[bool]string{false: "quiet", true: "busy"}[busy], func(b *testing.B) {
			for b.Loop() {
				if busy {
					c.swept = sweep.Stream{}
				}
				run()
			}
		})
	}
}
