package cluster

import (
	"errors"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/told"
)

// maxCompared is the number of members of a room on a node up to which they are compared.
const maxCompared = 1000

// News notes a notice that has arrived for a room, and reports whether the room has to be told: see package told.
func (c *Cluster) News(from, room string, n engine.Notice) bool {
	if n.Typing {
		return true
	}
	if from == c.id {
		from = ""
	}
	return c.told.Notice(from, room, n)
}

// Forget forgets a room that has no members on this node any more.
func (c *Cluster) Forget(room string) { c.told.Forget(room) }

// compare compares the members that the rooms of this node were told of with those on the other nodes, one room after
// the other.
// A call while it runs makes it begin again at the end.
func (c *Cluster) compare() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.compareAgain = true; !c.comparing {
		c.comparing = true
		c.work.Go(func() { c.compareNext(nil) })
	}
}

// compareNext compares the first of some rooms, and then the others.
func (c *Cluster) compareNext(rooms []string) {
	for len(rooms) == 0 {
		c.mu.Lock()
		c.comparing, c.compareAgain = c.compareAgain, false
		goOn := c.comparing
		c.mu.Unlock()
		if !goOn {
			return
		}
		rooms = c.told.Rooms()
	}
	c.list(rooms[0], maxCompared, true, func(_ []told.List, err error) {
		if errors.Is(err, errAway) {
			rooms = rooms[:1] // they are compared when the connection is up again
		}
		c.compareNext(rooms[1:])
	})
}
