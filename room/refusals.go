package room

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// refusals are the log lines about budgets that are used up: one for each class and
// logEvery, with the number of those that are not written. A flood must not fill the
// log as well.
type refusals [numClasses]struct {
	next    atomic.Int64 // when there may be a line again
	omitted atomic.Int64
}

const logEvery = 10 * time.Second

// log writes a line, or counts it. payer is "" for a cost that only the connection and
// its user pay.
func (r *refusals) log(to *slog.Logger, c class, payer string, now int64) {
	if to == nil {
		return
	}
	next := r[c].next.Load()
	if now < next || !r[c].next.CompareAndSwap(next, now+int64(logEvery)) {
		r[c].omitted.Add(1)
		return
	}
	row := flows[c]
	to.Warn(row.Log+": it is refused or not read for a while", "budget", row.Name, "payer", payer,
		"settings", "--"+row.Setting+", --user-"+row.Setting, "not_logged_before", r[c].omitted.Swap(0))
}
