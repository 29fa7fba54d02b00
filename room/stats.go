package room

// Stats is what a hub holds now.
type Stats struct {
	Rooms   int // with members
	Members int
	Unswept int64 // bytes published that the slowest shards have not taken, of all rooms
	Waiting int   // members whose message waits to be let in, and which are not read
}

// Stats adds up all rooms.
func (h *Hub) Stats() Stats {
	var st Stats
	for _, r := range h.Rooms() {
		r.mu.Lock()
		st.Rooms++
		st.Members += r.members
		st.Waiting += r.waiting.Len()
		st.Unswept += int64(r.unsweptLocked())
		r.mu.Unlock()
	}
	return st
}
