package hooks

import (
	"sync/atomic"

	"webim/netpoll/durations"
	"webim/room/backend"
)

// Outcome is how a request to the backend has ended.
type Outcome uint8

// The outcomes.
const (
	Accepted Outcome = iota // a valid reply, which does not refuse
	Denied                  // a valid reply that refuses the client
	Failed                  // no valid reply
	Busy                    // never sent: all slots were taken
	NumOutcomes
)

var outcomeNames = [NumOutcomes]string{"accepted", "denied", "failed", "busy"}

// String returns the name of an outcome, for metrics.
func (o Outcome) String() string { return outcomeNames[o] }

// counts are the numbers of one hook.
type counts struct {
	outcomes [NumOutcomes]atomic.Int64
	took     durations.Histogram
}

// HookStats are the numbers of one hook since the start.
type HookStats struct {
	Configured bool
	Outcomes   [NumOutcomes]int64 // requests; a notice counts once for each try
	Took       durations.Counts   // times of the requests that were sent
}

// Stats are the numbers of all hooks.
type Stats [backend.NumHooks]HookStats

// Stats returns the numbers of the hooks.
func (h *Hooks) Stats() (all Stats) {
	for k := range all {
		one, c := &all[k], &h.hooks[k].counts
		one.Configured, one.Took = h.Handles(backend.Hook(k)), c.took.Counts()
		for o := range one.Outcomes {
			one.Outcomes[o] = c.outcomes[o].Load()
		}
	}
	return all
}

// count counts the end of a request.
func (h *Hooks) count(k backend.Hook, o Outcome) { h.hooks[k].counts.outcomes[o].Add(1) }
