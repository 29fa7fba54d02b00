package live

import (
	"slices"
	"time"

	"webim/room/budget"
	"webim/room/policy"
)

// maxFound is the maximum number of connections in an answer.
const maxFound = 100

// findRate limits the searches of a watcher. Above it the next search waits.
var findRate = budget.Rate{N: 20, Per: 10 * time.Second}

// find searches for a user or a connection and sends the answer. A search walks over the
// connections, and walks must not run on workers. Until it is done, the watcher is not read, so
// a watcher has at most one search in progress. Searches one after the other could still keep a
// processor busy, so above findRate the watcher waits.
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
		seen, all := f.search(q.User, q.Client, maxFound)
		for i := range seen {
			seen[i].Rooms = slices.DeleteFunc(seen[i].Rooms, func(name string) bool {
				return f.cfg.Hub.Judge().Request(w.who, w.addr(), policy.ActWatch, name).Outcome != policy.Allow
			})
		}
		f.send(w, foundMessage{found{q, millis(time.Now()), all, allClientRoomsJSON(seen)}})
	})
}
