package sched

import (
	"runtime"
	"sync"
	"time"
)

// Worker runs the tasks of a List, on a goroutine of its own that calls Serve, or on the goroutine
// of an event loop that calls RunReady. Its exported fields are set before the first use.
type Worker[T any] struct {
	List   *List[T]
	Number uint32  // the result of Turn.Worker for its turns, from 1 on; 0 means that nothing can follow an item
	Loop   bool    // it is a loop's
	Run    func(T) // runs an item: Begin, the work itself, End

	back    bool // the task is of the background
	counted bool // List.loops counts it

	mu        sync.Mutex
	followers []*Job // to be run after the item; all are queued
	writes    int    // that they make
}

// Serve runs tasks until the list is closed and empty.
func (w *Worker[T]) Serve() {
	for {
		var t task[T]
		var ok bool
		if t, w.back, ok = w.List.take(w.back); !ok {
			return
		}
		w.do(t)
		if t.job == nil && w.List.cfg.Class(t.item) != Front {
			runtime.Gosched() // a loop that has events, and no processor, goes first
		}
	}
}

// RunReady queues items, and runs turns on the goroutine of a loop, at most so many. It reports
// whether there may be more for the loop to run. The loop then calls it again, after a look at its
// events.
func (w *Worker[T]) RunReady(items []T, turns int) (more bool) {
	w.List.pushAll(items, !w.counted)
	w.counted = true
	for range turns {
		var t task[T]
		if t, w.counted = w.List.takeOnLoop(); !w.counted {
			return false
		}
		w.do(t)
	}
	return true
}

// InBackground reports whether the task that the worker runs is of the background.
func (w *Worker[T]) InBackground() bool { return w.back }

func (w *Worker[T]) do(t task[T]) {
	if t.at != 0 {
		w.List.cfg.Waited(time.Duration(w.List.cfg.Now() - t.at))
	}
	if t.job != nil {
		w.runJob(t.job)
	} else {
		w.Run(t.item)
	}
}

// Begin begins the run of an item's turn.
func (w *Worker[T]) Begin(t *Turn) { t.state.Store(running | w.Number<<workerShift) }

// End runs the jobs that follow an item, and ends the run of the item's turn. If there is more to
// do, End queues the item anew.
func (w *Worker[T]) End(t *Turn, item T, more bool) {
	w.runFollowers(t)
	if t.Done(more) {
		w.requeue(task[T]{item: item})
	}
}

// runJob runs a job, and queues it anew if there is more to do.
func (w *Worker[T]) runJob(j *Job) {
	j.turn.state.Store(running)
	if j.turn.Done(w.call(j)) {
		w.requeue(task[T]{job: j})
	}
}

// call calls the function of a job.
func (w *Worker[T]) call(j *Job) (more bool) {
	defer func() {
		if v := recover(); v != nil {
			w.List.cfg.Panicked(v)
			more = false
		}
	}()
	return j.Run()
}

// requeue puts a task that has more to do at the list's tail. A worker wakes nobody for it: it takes
// the next task now, and there is as much to do as before. A loop may be putting it where only
// workers take from.
func (w *Worker[T]) requeue(t task[T]) {
	if w.Loop {
		w.List.push(t)
	} else {
		w.List.pushMore(t)
	}
}
