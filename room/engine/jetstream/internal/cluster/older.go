package cluster

import (
	"time"

	"webim/room/engine/jetstream/internal/frames"
)

// The body of a beat says that the node knows the rounds of package retire. The beats of webim 0.1.0, which does not know them, have no body.

// knows is the body of a beat.
var knows = []byte{1}

func (c *Cluster) beat() []byte { return c.frame(frames.Beat, knows) }

// older is what a node knows of older ones.
type older struct {
	since time.Time // when it last heard one, or could hear nothing
	node  string    // the last one that it has heard
}

// heardOlder notes the beat of an older node.
func (c *Cluster) heardOlder(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.older = older{time.Now(), id}
}

// Older returns since when this node has heard no beat of a node that does not know the rounds of package retire, although it
// would have heard it. node is the last such node; "": none since this one began or connected.
func (c *Cluster) Older() (since time.Time, node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.older.since, c.older.node
}
