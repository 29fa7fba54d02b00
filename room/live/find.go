package live

import (
	"slices"
	"time"

	"webim/room"
	"webim/room/budget"
)

// maxFound is how many connections an answer has.
const maxFound = 100

// findRate is how often a watcher may look for somebody. Beyond that it waits.
var findRate = budget.Rate{N: 20, Per: 10 * time.Second}

// find looks for somebody, and answers. That is a walk over the connections, and
// walks are not for workers: until it is done the watcher is not read, so that it
// has one under way at most. One after the other they would keep a processor busy, so
// the watcher waits when it has used up findRate.
func (f *Feed) find(w *watcher, q quest) {
	done, now := w.conn.Later(), int64(time.Since(f.began))
	w.finds.Charge(findRate, 1, now)
	w.conn.Server().After(w.finds.Debt(findRate, now), func() {
		defer done()
		if !w.conn.Exists() {
			return
		}
		f.finding.Lock()
		defer f.finding.Unlock()
		seen, all := f.cfg.Hub.Find(q.User, q.Client, maxFound)
		for i := range seen {
			seen[i].Rooms = slices.DeleteFunc(seen[i].Rooms, func(name string) bool {
				return !f.cfg.Hub.Can(w.who, w.addr(), room.ActWatch, name)
			})
		}
		f.send(w, foundMessage{found{q, millis(time.Now()), all, allPlacedJSON(seen)}})
	})
}
