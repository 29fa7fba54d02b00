package live

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"webim/room/engine"
	"webim/room/name"
	"webim/room/policy"
	"webim/room/wire"
)

// nodesEvery is the number of figures for each question to all nodes. A node walks its rooms for the answer.
const nodesEvery = 5

// askNodes asks all nodes for their counts, now and then, and sends the answer to the watchers. Only tick calls it.
func (f *Feed) askNodes() {
	if f.ticks++; f.ticks%nodesEvery != 1 {
		return
	}
	f.mu.Lock()
	asking := f.asking
	f.asking = true
	f.mu.Unlock()
	if !asking {
		f.cfg.Hub.Collect(engine.Question{}, f.nodesAnswered)
	}
}

// nodesAnswered sends the counts of all nodes to the watchers, and keeps them for later watchers. After an error these are
// the last known counts.
func (f *Feed) nodesAnswered(all []engine.NodeInfo, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asking = false
	if err == nil {
		f.nodes = nodes{At: millis(time.Now()), All: nodesJSON(all)}
	}
	f.nodes.Missing = err != nil
	m, err := frame(nodesMessage{f.nodes})
	if err != nil {
		f.cfg.Logger.Error("live: the figures cannot be encoded", "err", err)
		return
	}
	for w := range f.watchers {
		_ = w.conn.PushFrame(m)
	}
}

// onAllNodes adds to the answer of a search the members of the room, or the connections of the user, on the other nodes,
// and calls done. here has the connections of the user on this node, by client id. The connections of a user elsewhere are
// known as the members of the user's personal room, so they are missing if there is none: in the plain dialect, and without
// --personal.
func (f *Feed) onAllNodes(w *watcher, a *found, here map[string]bool, done func()) {
	rooms := name.Normal(a.Room)
	if a.User != "" {
		rooms = policy.PersonalRoom(a.User)
	}
	if rooms == "" {
		done() // a client id does not tell the node
		return
	}
	f.cfg.Hub.Collect(engine.Question{Rooms: rooms}, func(all []engine.NodeInfo, err error) {
		switch {
		case err != nil:
			a.Missing = true
			done()
		case a.User == "":
			a.addRooms(all, func(room string) bool {
				return f.cfg.Hub.Judge().Request(w.who, w.addr(), policy.ActWatch, room).Outcome == policy.Allow
			})
			done()
		default:
			a.addNodes(all, f.cfg.Hub.Node(), rooms)
			f.addElsewhere(a, rooms, here, done)
		}
	})
}

// addRooms adds the rooms that shown permits, the largest first; at most maxFound.
func (a *found) addRooms(all []engine.NodeInfo, shown func(room string) bool) {
	byName := map[string]*roomNodesJSON{}
	for _, n := range all {
		for room, members := range n.Rooms {
			if byName[room] == nil {
				if !shown(room) {
					continue
				}
				byName[room] = &roomNodesJSON{Name: room}
			}
			r := byName[room]
			r.Members += members
			r.Nodes = append(r.Nodes, nodeCountJSON{n.Node, members})
		}
	}
	most := topN[roomNodesJSON]{n: maxFound, order: func(a, b roomNodesJSON) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), strings.Compare(a.Name, b.Name))
	}}
	for _, r := range byName {
		slices.SortFunc(r.Nodes, func(a, b nodeCountJSON) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Node, b.Node))
		})
		most.add(*r)
	}
	a.All, a.Rooms = len(byName), most.best
}

// addNodes adds the numbers of members of a room on the other nodes.
func (a *found) addNodes(all []engine.NodeInfo, here, room string) {
	for _, n := range all {
		if count := n.Rooms[room]; n.Node != here && count > 0 {
			a.Nodes = append(a.Nodes, nodeCountJSON{n.Node, count})
		}
	}
}

// addElsewhere adds the members of a personal room that are not on this node; at most maxFound.
func (f *Feed) addElsewhere(a *found, room string, here map[string]bool, done func()) {
	if len(a.Nodes) == 0 {
		done()
		return
	}
	f.cfg.Hub.Presence(room, func(all []engine.Author, err error) {
		a.Missing = err != nil && err != wire.ErrNotAvailable // a room without presence has members that nobody may list
		for _, one := range all {
			if !here[one.Client] && len(a.Elsewhere) < maxFound {
				a.Elsewhere = append(a.Elsewhere, elsewhereJSON{one.Client, one.User})
			}
		}
		done()
	})
}
