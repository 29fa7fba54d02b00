package told

import "webim/room/engine"

// A List has the members of a room on one other node.
type List struct {
	Node string
	All  []engine.Author
}

// Rooms returns the rooms in which joins and leaves are told.
func (m *Members) Rooms() (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, r := range m.rooms {
		if !r.tooBig {
			all = append(all, name)
		}
	}
	return all
}

// Ask notes that the other nodes are asked for the members of a room with members on this node. Listed follows once.
func (m *Members) Ask(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.roomLocked(name)
	if r.asking++; r.touched == nil {
		r.touched = map[string]bool{}
	}
}

// Listed takes the complete lists of nodes that have answered to Ask; whole says that these are all nodes. With compare,
// the room is told the difference: the leaves of members that are missing from the list of their node, and the joins of
// others.
func (m *Members) Listed(name string, lists []List, whole, compare bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rooms[name]
	if r == nil || r.asking == 0 {
		return // it was forgotten or left out meanwhile
	}
	var all []telling
	for _, l := range lists {
		all = m.listedLocked(all, name, r, l, compare)
	}
	r.shown = r.shown || whole
	if r.asking--; r.asking == 0 {
		r.touched = nil
	}
	m.tellLocked(all)
}

// listedLocked takes the list of one node, and appends the notices that have to be told.
func (m *Members) listedLocked(all []telling, name string, r *room, l List, compare bool) []telling {
	is := map[string]bool{}
	for _, who := range l.All {
		is[who.Client] = true
		known := r.nodes[l.Node][who.Client]
		switch {
		case r.tooBig || r.touched[who.Client] || known != nil && !known.absent:
			continue
		case known != nil && !compare:
			continue // its leave was told: the comparison that follows tells its join
		case known == nil:
			m.addLocked(name, r, l.Node, who)
			if !compare || !r.shown {
				continue // it is no news, or it may be none
			}
		default:
			known.absent = false
		}
		all = append(all, telling{name, engine.Notice{Who: who}})
	}
	if !compare {
		return all
	}
	for client, one := range r.nodes[l.Node] {
		switch {
		case is[client] || r.touched[client]:
		case one.absent:
			m.removeLocked(r, l.Node, one)
		default:
			one.absent = true // until the notice of its leave comes, or the next comparison
			all = append(all, telling{name, engine.Notice{Left: true, Who: one.who}})
		}
	}
	return all
}
