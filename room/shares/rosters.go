package shares

import (
	"sync"

	"webim/room/engine"
)

// rosters counts the members of each roster, so that a message in a room without a roster asks the
// engine nothing. A roster takes some 50 bytes here, and each of its entries at least 256 bytes in the
// State.
type rosters struct {
	mu    sync.RWMutex
	sizes map[string]int // by room; rooms without a roster are absent
}

// count counts an entry of engine.TableMember, before and after a change.
func (r *rosters) count(was, is engine.Entry) {
	n := 0
	if was.Value != nil {
		n--
	}
	if is.Value != nil {
		n++
	}
	if n == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sizes[is.Of] += n; r.sizes[is.Of] <= 0 {
		delete(r.sizes, is.Of)
	}
}

func (r *rosters) size(room string) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sizes[room]
}
