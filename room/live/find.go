package live

import (
	"slices"
	"time"

	"webim/room"
)

// maxFound is how many connections an answer has.
const maxFound = 100

// find looks for somebody, and answers. That is a walk over the connections, and
// walks are not for workers: until it is done the watcher is not read, so that it
// has one under way at most.
func (f *Feed) find(w *watcher, q quest) {
	done := w.conn.Later()
	w.conn.Server().After(0, func() {
		defer done()
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
