package room

import (
	"context"
	"runtime"
	"sync"

	"webim/room/budget"
	"webim/room/wire"
)

// Workers never wait. Code that may have to wait for the engine, or for the application's backend,
// runs on a goroutine, as straight-line code: the calls of clients, and the follow-ups of messages
// (followup.go). Each goroutine has a slot (budget.Slots), so their number is bounded. The number of
// calls that wait for a slot is bounded, too, and the users take turns. A call for which there is
// neither a slot nor a place to wait is refused.
//
// An engine in this process (engine.Prompt) answers at once. With such an engine, and without a
// backend, no call has to wait, and the same code runs on the workers. To hand a call to a goroutine
// would wake two threads and take one more turn of the connection, which costs about as much as the
// call itself: with two processors, send fell from 10,000 to 6,000 calls a second.
//
// Few slots suffice, because a call with a slot uses a processor, or waits for an engine that answers
// soon. With more slots than that, calls would take the processors from the workers. While a call
// waits for the backend, or for the engine's answer to a message, it lends its slot to other calls.
//
// The follow-ups of calls have as many slots of their own. A call waits for the follow-up of its message,
// and holds its slot meanwhile if too many calls have lent theirs. So the follow-up of a call must not
// wait for a slot that a call may hold.

// slotsPerProcessor times GOMAXPROCS is the default of Config.MaxCalls.
const slotsPerProcessor = 8

// maxSuspended is the maximum number of calls that wait without a slot.
const maxSuspended = 2048

// waitingPerCall is how many follow-ups may wait for a slot of work.ofCalls, for each call that has begun.
// One is not enough, because a payer gets only seven eighths of the places, and because a call whose
// client leaves ends before its follow-up.
const waitingPerCall = 2

// work runs functions on goroutines that have slots.
type work struct {
	slots   *budget.Slots   // of calls, and of the follow-ups of commands
	ofCalls *budget.Slots   // of the follow-ups of calls
	ctx     context.Context // ends when the hub stops
	stop    context.CancelFunc

	mu        sync.Mutex // innermost
	followUps map[followUpKey]*followUpLine
}

func newWork(limit int) *work {
	n := CallSlots(limit)
	w := &work{
		slots:     budget.NewSlots(n, budget.WaitFactor*n, maxSuspended),
		ofCalls:   budget.NewSlots(n, waitingPerCall*(n+maxSuspended), 0),
		followUps: map[followUpKey]*followUpLine{},
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// CallSlots returns how many calls run at a time with this Config.MaxCalls.
func CallSlots(maxCalls int) int {
	if maxCalls <= 0 {
		return slotsPerProcessor * runtime.GOMAXPROCS(0)
	}
	return maxCalls
}

// MaxCallsHeld returns how many calls a hub with this Config.MaxCalls keeps at a time: calls with a
// slot, calls that wait for one, and calls that have lent theirs. A running follow-up of a call counts as
// a call.
func MaxCallsHeld(maxCalls int) int { return CallSlots(maxCalls)*(2+budget.WaitFactor) + maxSuspended }

// close cancels the running work and refuses all other work. It returns when no work runs any more.
func (w *work) close() {
	w.stop()
	w.slots.Close()
	w.ofCalls.Close()
}

// errWorkFull refuses a call for which there is neither a slot nor a place to wait.
var errWorkFull = wire.Explain(wire.ErrTooManyRequests, "too many requests: the server is busy with calls, try again")

// refusedWork logs that there was no slot for some work.
func (h *Hub) refusedWork(what string, payer budget.Owner) {
	h.refusals.Warn("the server is busy with calls: "+what, "payer", payer.String())
}
