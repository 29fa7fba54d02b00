package sched

import "sync/atomic"

// A Turn is the right to run an item or a job. Everything that has work is on the ready list at most
// once:
//
//	         Wake                take              Wake
//	idle ───────────► queued ───────────► running ──────► again
//	 ▲                  ▲                  │   │            │
//	 │                  └── more, or done ─┼───┼────────────┘
//	 └──────────── done, nothing new ──────┘   (more: the budget ran out)
//
// Any goroutine may wake a turn: that moves it from idle to queued, and from running to again.
// Worker.Follow also moves a turn from idle to queued, without the list, for a worker that runs it
// soon. The goroutine that runs a turn makes all other changes: a worker or a loop takes it from
// queued, and TryBegin takes it from idle. So the list needs no limit: it holds at most all items
// and jobs.
//
// While a worker runs an item, the bits above the state are the worker's number, by which
// other goroutines find the worker. The zero value is idle.
type Turn struct{ state atomic.Uint32 }

const (
	idle uint32 = iota
	queued
	running
	again

	stateBits   = 3
	workerShift = 2
)

// Wake notes that there is work. It reports whether the caller must put the turn on the ready list.
func (t *Turn) Wake() bool {
	for {
		switch s := t.state.Load(); s & stateBits {
		case idle:
			if t.state.CompareAndSwap(s, queued) {
				return true
			}
		case running:
			if t.state.CompareAndSwap(s, s-running+again) {
				return false
			}
		default:
			return false
		}
	}
}

// TryBegin takes an idle turn without the ready list, for a goroutine that is no worker. It reports
// whether the caller has the turn now, and must call Done.
func (t *Turn) TryBegin() bool { return t.state.CompareAndSwap(idle, running) }

// Claim makes sure, on a held list, that nobody runs the turn: it takes the turn if that is idle, and then the
// caller must call Done. If the turn is queued, the list holds it. ok is false if a goroutine runs it.
func (t *Turn) Claim() (taken, ok bool) {
	if t.TryBegin() {
		return true, true
	}
	return false, t.state.Load()&stateBits == queued
}

// Done ends a run of the turn. It reports whether the caller must put the turn on the list again.
func (t *Turn) Done(more bool) bool {
	if !more && t.state.CompareAndSwap(running, idle) {
		return false
	}
	t.state.Store(queued)
	return true
}

// Worker returns the number of the worker that runs the turn; 0 if none does.
func (t *Turn) Worker() uint32 { return t.state.Load() >> workerShift }

// String returns the state in one word.
func (t *Turn) String() string {
	return [...]string{"idle", "queued", "running", "again"}[t.state.Load()&stateBits]
}

// A Job is work with a function of its own. Run never runs twice at once. A Wake during a run leads
// to one more run. Run must not block, and should return true (more) after a millisecond or so of
// work, to let others run.
type Job struct {
	Run  func() (more bool)
	turn Turn
}

// String returns the state of the job's turn in one word.
func (j *Job) String() string { return j.turn.String() }
