package work

import (
	"context"
	"runtime"
	"sync"

	"webim/netpoll/ratelog"
	"webim/room/budget"
)

// slotsPerProcessor times GOMAXPROCS is the default of room.Config.MaxCalls.
const slotsPerProcessor = 8

// maxSuspended is the maximum number of calls that wait without a slot.
const maxSuspended = 2048

// waitingPerCall is how many follow-ups may wait for a slot of Runner.ofCalls, for each call that has begun.
// One is not enough, because a payer gets only seven eighths of the places, and because a call whose
// client leaves ends before its follow-up.
const waitingPerCall = 2

// A Runner runs functions on goroutines that have slots. All methods are safe for concurrent use.
type Runner struct {
	calls   *budget.Slots // of calls, and of the follow-ups of commands
	ofCalls *budget.Slots // of the follow-ups of calls
	ctx     context.Context
	stop    context.CancelFunc
	log     *ratelog.Logger

	mu       sync.Mutex // innermost
	lines    map[Key]*line
	followed uint64 // follow-ups so far
}

// New returns a Runner that runs as many calls at a time as room.Config.MaxCalls says. log gets a line,
// limited in rate, about work for which there is no slot.
func New(maxCalls int, log *ratelog.Logger) *Runner {
	r := &Runner{calls: budget.NewSlots(0, 0, 0), ofCalls: budget.NewSlots(0, 0, 0), log: log, lines: map[Key]*line{}}
	r.SetMaxCalls(maxCalls)
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// SetMaxCalls changes how many calls run at a time. Work that runs or waits stays, also above the new number.
func (r *Runner) SetMaxCalls(maxCalls int) {
	n := Slots(maxCalls)
	r.calls.Resize(n, budget.WaitFactor*n, maxSuspended)
	r.ofCalls.Resize(n, waitingPerCall*(n+maxSuspended), 0)
}

// Context ends when Close is called.
func (r *Runner) Context() context.Context { return r.ctx }

// Calls returns the slots of the calls.
func (r *Runner) Calls() *budget.Slots { return r.calls }

// Slots returns how many calls run at a time with this room.Config.MaxCalls.
func Slots(maxCalls int) int {
	if maxCalls <= 0 {
		return slotsPerProcessor * runtime.GOMAXPROCS(0)
	}
	return maxCalls
}

// MaxCallsHeld returns how many calls a hub with this room.Config.MaxCalls keeps at a time: calls with a
// slot, calls that wait for one, and calls that have lent theirs. A running follow-up of a call counts as
// a call.
func MaxCallsHeld(maxCalls int) int { return Slots(maxCalls)*(2+budget.WaitFactor) + maxSuspended }

// Close cancels the running work and refuses all other work. It returns when no work runs any more.
func (r *Runner) Close() {
	r.stop()
	r.calls.Close()
	r.ofCalls.Close()
}

// Cancel cancels the running work, and does not wait for it.
func (r *Runner) Cancel() { r.stop() }

// Refused logs that there was no slot for some work.
func (r *Runner) Refused(what string, payer budget.Owner) {
	r.log.Warn("the server is busy with calls: "+what, "payer", payer.String())
}
