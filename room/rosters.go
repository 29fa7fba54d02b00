package room

import (
	"sync"

	"webim/room/engine"
)

// rosters count the entries of each room's roster, by watching the State, so that a message in a
// room without a roster costs no question to the engine. A roster takes some 50 bytes here, and
// each of its entries at least 256 bytes in the State.
type rosters struct {
	mu    sync.RWMutex // innermost
	sizes map[string]int
}

// countRoster counts an entry of TableMember.
func (h *Hub) countRoster(was, is engine.Entry) {
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
	r := &h.rosters
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sizes[is.Of] += n; r.sizes[is.Of] <= 0 {
		delete(r.sizes, is.Of)
	}
}

// RosterSize returns how many users are on a room's roster. It does not ask the engine.
func (h *Hub) RosterSize(room string) int {
	r := &h.rosters
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sizes[room]
}
