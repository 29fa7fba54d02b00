package sched

const (
	// MaxWrites limits the writes of the jobs that follow an item: a millisecond's work at most.
	MaxWrites = 128
	// FewWrites is the most writes that followers may make while output of the item waits: a tenth
	// of a millisecond's work.
	FewWrites = 16
)

// Follow queues an idle job for the worker, which runs it right after its current item. The job does
// not go through the ready list. t is the turn of the item. writes is about the number of system calls that the job makes.
// Follow returns false if the worker no longer runs the item, if its followers would make more than
// MaxWrites, or if the job is not idle. Any goroutine may call it.
func (w *Worker[T]) Follow(t *Turn, j *Job, writes int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.Worker() != w.Number || w.writes+writes > MaxWrites || !j.turn.state.CompareAndSwap(idle, queued) {
		return false
	}
	w.writes += writes
	w.followers = append(w.followers, j)
	return true
}

// RunFew runs the followers before the output of the item is written, if they make few writes. A
// message that makes a reply and a broadcast, which the sender gets too, then leaves by one write:
// two cost the server twice the system calls, and wake the client twice.
func (w *Worker[T]) RunFew(t *Turn) {
	w.mu.Lock()
	few := w.writes <= FewWrites
	w.mu.Unlock()
	if few && w.Number != 0 {
		w.follow(t, false)
	}
}

// runFollowers runs the followers, also those that come meanwhile. Then it takes the worker's
// number off the item's turn, so that no job follows it any more.
func (w *Worker[T]) runFollowers(t *Turn) {
	if w.Number != 0 {
		w.follow(t, true)
	}
}

// follow runs the followers. With last, no more may come after it.
func (w *Worker[T]) follow(t *Turn, last bool) {
	for i := 0; ; i++ {
		w.mu.Lock()
		if i == len(w.followers) {
			clear(w.followers)
			w.followers = w.followers[:0]
			if last {
				w.writes = 0
				t.state.And(stateBits)
			}
			w.mu.Unlock()
			return
		}
		j := w.followers[i]
		w.mu.Unlock()
		w.runJob(j)
	}
}
