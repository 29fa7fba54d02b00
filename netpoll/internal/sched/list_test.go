package sched

import (
	"slices"
	"sync/atomic"
	"testing"

	"webim/netpoll/wstest"

	"pgregory.net/rapid"
)

// The ring beside a slice, over its growth and round its end.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newList(1, false)
		var model []*Job
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			for range rapid.SampledFrom([]int{0, 1, 7, ringMin / 2, ringMin - 1, ringMin + 1}).Draw(t, "pushes") {
				job := new(Job)
				l.Wake(job)
				model = append(model, job)
			}
			for range min(len(model), rapid.SampledFrom([]int{0, 1, 7, ringMin / 2, ringMin, 3 * ringMin}).Draw(t, "takes")) {
				got, _, ok := l.take(false)
				if !ok || got.job != model[0] {
					t.Fatalf("took %p, %v; want %p, the oldest of %d", got.job, ok, model[0], len(model))
				}
				model = model[1:]
			}
			if n := len(l.front.tasks); l.front.n != len(model) || n < l.front.n || n&(n-1) != 0 {
				t.Fatalf("%d tasks in a ring of %d; want %d", l.front.n, n, len(model))
			}
		}
		l.Close()
		for range model {
			if got, _, ok := l.take(false); !ok || !slices.Contains(model, got.job) {
				t.Fatal("close has lost a task")
			}
		}
		if _, _, ok := l.take(false); ok {
			t.Fatal("a closed, empty pool has a task")
		}
	})
}

func TestListShrinks(t *testing.T) {
	l, finish := startWorkers(1)
	defer finish()
	ring := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.front.tasks)
	}
	gate := make(chan bool)
	l.Wake(&Job{Run: func() bool { <-gate; return false }})
	var ran atomic.Int64
	for range 3 * ringMin {
		l.Wake(&Job{Run: func() bool { ran.Add(1); return false }})
	}
	if n := ring(); n != 4*ringMin {
		t.Errorf("a ring of %d for %d turns", n, 3*ringMin)
	}
	close(gate)
	wstest.Eventually(t, "all turns run and the ring is let go", func() bool { return ran.Load() == 3*ringMin && ring() == ringMin })
}

// What is in the background waits for all others and for its half of the workers, and
// is neither starved nor lost.
func TestBackground(t *testing.T) {
	l := newList(4, false)
	for range 6 {
		l.Push(&item{class: Background})
	}
	job := new(Job)
	l.push(task[*item]{job: job})
	if got, back, ok := l.take(false); got.job != job || back || !ok {
		t.Error("a turn in the background went first")
	}
	for range 2 {
		if _, back, ok := l.take(false); !back || !ok {
			t.Error("a turn in the background does not run while nothing else is there")
		}
	}
	l.mu.Lock()
	more := l.backLocked()
	l.mu.Unlock()
	if more {
		t.Error("more than half of the workers run turns in the background")
	}
	for i := range 4 { // a worker that ends one takes the next
		if got, back, ok := l.take(true); !ok || !back || got.item == nil {
			t.Fatalf("task %d: %v, %v, %v", i, got, back, ok)
		}
	}
	l.Close()
	if _, _, ok := l.take(true); ok {
		t.Error("a closed, empty pool has a task")
	}
}

// checkTurnComes checks that an item on the list comes after a job that is queued later, but within turn
// more takes.
func checkTurnComes(t *testing.T, l *List[*item], want *item, turn int) {
	t.Helper()
	job := new(Job)
	for range 2 * turn {
		l.push(task[*item]{job: job})
	}
	for n := range turn + 1 {
		if got, _, _ := l.take(false); got.item == want {
			if n == 0 {
				t.Error("it went before all others")
			}
			return
		}
	}
	t.Error("others that came later always went first")
}

func TestBackgroundIsNotStarved(t *testing.T) {
	l := newList(2, false)
	r := &item{class: Background}
	l.Push(r)
	checkTurnComes(t, l, r, backTurn)
}

// Workers that wait while the last tasks in the background run end with the list.
func TestBackgroundEndsWithTheList(t *testing.T) {
	l, finish := startWorkers(4)
	var ran atomic.Int64
	l.Wake(&Job{Run: func() bool { ran.Add(1); return false }})
	for range 100 {
		l.Push(&item{class: Background})
	}
	finish()
	if ran.Load() != 1 || l.back.n != 0 {
		t.Errorf("%d jobs ran, %d tasks are left", ran.Load(), l.back.n)
	}
}

// TestHeavy checks that a heavy item waits for the items in front, also for later ones, and runs before
// the background, and that every item runs in the end.
func TestHeavy(t *testing.T) {
	l := newList(2, true)
	light, heavy, back := new(item), &item{class: Heavy}, &item{class: Background}
	l.pushAll([]*item{back, heavy, light}, true)
	if got, ok := l.takeOnLoop(); !ok || got.item != light {
		t.Errorf("a loop took %+v first", got)
	}
	if got, ok := l.takeOnLoop(); ok {
		t.Errorf("a loop took %+v, which is not for loops", got)
	}
	l.Push(light)
	for i, want := range []*item{light, heavy, back} {
		if got, _, ok := l.take(false); !ok || got.item != want {
			t.Errorf("task %d is not the one that is next", i)
		}
	}
	l.Push(heavy)
	checkTurnComes(t, l, heavy, heavyTurn)
}

// TestTakeWakesForTheFront checks that a worker that was woken for the connections in front, and
// takes a task of another list, has another worker woken for them.
func TestTakeWakesForTheFront(t *testing.T) {
	heavy, back := &item{class: Heavy}, &item{class: Background}
	for _, first := range []*item{heavy, back} {
		l := newList(4, false)
		l.idle, l.passes, l.waited = 3, heavyTurn-1, backTurn-1
		l.pushLocked(task[*item]{item: first})
		l.pushLocked(task[*item]{item: new(item)})
		l.pushLocked(task[*item]{item: new(item)})
		if got, _, ok := l.take(false); !ok || got.item != first {
			t.Fatalf("takes %v, want the task behind the front", got)
		}
		if l.woken != 1 {
			t.Errorf("%d workers are woken for two connections in front while three are idle, want 1", l.woken)
		}
	}
}

// A loop takes items and leaves the rest to the workers, in its order.
func TestTakeOnLoop(t *testing.T) {
	l := newList(1, true)
	items := []*item{new(item), {class: Background}, new(item), new(item)}
	jobs := []*Job{new(Job), new(Job)}
	l.pushAll(items[:1], true)
	l.Wake(jobs[0])
	l.PushAll(items[1:3])
	l.Wake(jobs[1])
	for _, want := range []*item{items[0], items[2]} {
		if got, ok := l.takeOnLoop(); !ok || got.item != want {
			t.Fatalf("took %+v, %v", got, ok)
		}
	}
	if busy, _ := l.Use(); busy != 2 {
		t.Errorf("%d are busy: the worker, which has not waited yet, and the loop", busy)
	}
	if got, ok := l.takeOnLoop(); ok {
		t.Errorf("took %+v, which is not for loops", got)
	}
	if busy, _ := l.Use(); busy != 1 {
		t.Errorf("%d are busy when the loop has left", busy)
	}
	l.Push(items[3])
	for _, want := range []task[*item]{{job: jobs[0]}, {job: jobs[1]}, {item: items[3]}, {item: items[1]}} {
		if got, back, ok := l.take(false); !ok || got.job != want.job || got.item != want.item || back != (want.item == items[1]) {
			t.Fatalf("took %+v, %v, %v; want %+v", got, back, ok, want)
		}
	}
}

// When a worker is woken for a task.
func TestNeedy(t *testing.T) {
	front, job, behind := task[*item]{item: new(item)}, task[*item]{job: new(Job)}, task[*item]{item: &item{class: Background}}
	for _, c := range []struct {
		name               string
		prompt             bool
		idle, woken, loops int // of four workers
		queued             int // items that wait already
		front, job, last   bool
	}{
		{"all idle", true, 4, 0, 0, 0, true, true, true},
		{"all idle, callbacks may block", false, 4, 0, 0, 0, true, true, true},
		{"a loop runs", true, 4, 0, 1, 0, false, true, true},
		{"a loop runs, and has as much as it can take", true, 4, 0, 1, soonTasks, true, true, true},
		{"a worker runs", true, 3, 0, 0, 0, false, true, true},
		{"a worker runs, callbacks may block", false, 3, 0, 0, 0, true, true, true},
		{"a worker is on its way", true, 4, 1, 0, 0, false, true, true},
		{"a worker is on its way, callbacks may block", false, 4, 1, 0, 0, false, true, true},
		{"all idle ones are on their way", false, 2, 2, 0, 1000, false, false, false},
		{"none is idle", false, 0, 0, 0, 1000, false, false, false},
		{"two run and have too many", true, 2, 0, 0, 2 * soonTasks, true, true, true},
		{"two run and have not", true, 2, 0, 0, 2*soonTasks - 1, false, true, true},
	} {
		for _, k := range []struct {
			what string
			task task[*item]
			want bool
		}{{"an item", front, c.front}, {"a job", job, c.job}, {"one in the background", behind, c.last}} {
			l := newList(4, c.prompt)
			l.idle, l.woken, l.loops = c.idle, c.woken, c.loops
			for range c.queued {
				l.pushLocked(front)
			}
			if got := l.wakeLocked(l.pushLocked(k.task), k.task.job != nil); got != k.want {
				t.Errorf("%s, %s: %v", c.name, k.what, got)
			}
		}
	}
}
