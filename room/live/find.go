package live

import (
	"slices"
	"time"

	"webim/room/budget"
	"webim/room/flight"
	"webim/room/policy"
)

// maxFound is the maximum number of connections here, of connections elsewhere, and of rooms in an answer.
const maxFound = 100

// findRate limits the searches of a watcher. Above it the next search waits.
var findRate = budget.Rate{N: 20, Per: 10 * time.Second}

// find searches for a user, a connection or rooms, and sends the answer. A search walks over the
// connections, and walks must not run on workers. Until it is done, also on the other nodes, the watcher is not read, so
// a watcher has at most one search in progress. Searches one after the other could still keep a
// processor busy, so above findRate the watcher waits.
func (f *Feed) find(w *watcher, q quest) {
	done, now := w.conn.Later(), int64(time.Since(f.began))
	w.finds.Charge(findRate, 1, now)
	w.conn.Server().After(w.finds.Debt(findRate, now), func() {
		if !w.conn.Exists() {
			done()
			return
		}
		seen, here := f.findHere(w, q)
		a := &found{quest: q, At: millis(time.Now()), All: len(here), Connections: allClientRoomsJSON(seen)}
		f.onAllNodes(w, a, here, func() {
			f.addEnded(w, a, func() {
				f.send(w, foundMessage{a})
				done()
			})
		})
	})
}

// addEnded adds the connections that have ended, if the watcher has a key, and leaves a line in the audit log.
func (f *Feed) addEnded(w *watcher, a *found, done func()) {
	if f.cfg.Flights == nil || w.who != nil || a.who() == "" {
		done()
		return
	}
	f.cfg.Logger.Info("audit", "action", "why", "by", "key "+w.key.Name, "room", "", "target", a.who())
	f.cfg.Flights.Collect(f.cfg.Hub, a.who(), func(all flight.Found) {
		a.Ended = all.Ended
		a.Missing = a.Missing || all.Missing
		done()
	})
}

// findHere searches this node. It returns the first connections that are found, and the client ids of all of them.
func (f *Feed) findHere(w *watcher, q quest) (seen []seenRooms, all map[string]bool) {
	f.finding.Lock()
	defer f.finding.Unlock()
	seen, all = f.search(q, maxFound)
	for i := range seen {
		seen[i].Rooms = slices.DeleteFunc(seen[i].Rooms, func(name string) bool {
			return f.cfg.Hub.Judge().Request(w.who, w.addr(), policy.ActWatch, name).Outcome != policy.Allow
		})
	}
	return seen, all
}
