package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/snapshot"
)

// A node moves to another process without the other nodes noticing. The new process connects early: it is held, so it keeps
// the messages that arrive, and says nothing. The old one freezes, and keeps those that arrive from then on, too; its beats go on. So
// whichever of them goes on has every question and every control message. Those of the last are known by their ids, if
// the old one has applied them already. An answer that comes twice does no harm.

// maxKept is the number of messages that a frozen node keeps. Above it, it forgets the oldest, which nobody waits for any more.
const maxKept = 4 * maxIn

// keep keeps a message until Thaw.
func (c *Cluster) keep(m *nats.Msg) {
	if c.kept = append(c.kept, m); len(c.kept) >= 2*maxKept {
		c.kept = append([]*nats.Msg(nil), c.kept[maxKept:]...)
	}
}

func (c *Cluster) isHeld() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// onReader runs f on the goroutine that reads, unless the node has ended.
func (c *Cluster) onReader(f func()) {
	ended := make(chan struct{})
	select {
	case c.calls <- func() { f(); close(ended) }:
		<-ended
	case <-c.stop:
	}
}

// Freeze makes the node call nobody until Thaw, and keep the messages that arrive. It waits until earlier ones are handled, or
// until ctx ends. Thaw or Leave must follow.
func (c *Cluster) Freeze(ctx context.Context) error {
	if c.cfg.Alone {
		return nil
	}
	c.onReader(func() { c.frozen = true })
	for _, pool := range c.pools() {
		if err := pool.Drain(ctx); err != nil {
			return fmt.Errorf("cluster: calls of the hub have not ended: %w", err)
		}
	}
	return nil
}

// Thaw lets the node go on: after Freeze, or in the process that has taken it over. connected says that the connection is up;
// otherwise Back follows.
func (c *Cluster) Thaw(connected bool) {
	if c.cfg.Alone {
		return
	}
	c.mu.Lock()
	taken := c.held
	c.held, c.echo = false, time.Now()
	c.older = older{since: c.echo}
	if c.away = c.away && !(taken && connected); taken {
		for id := range c.peers {
			c.peers[id] = c.echo // they have had no chance to be heard
		}
	}
	c.mu.Unlock()
	for _, pool := range c.pools() {
		pool.Resume()
	}
	c.onReader(func() {
		c.frozen = false
		for _, m := range c.kept {
			c.arrived(m)
		}
		c.kept = nil
	})
	if taken && connected {
		c.compare() // notices have come between the end of the old process and the beginning of this one
	}
}

// Leave leaves the node to the process that has taken it over: Close then says nothing.
func (c *Cluster) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
}

// Export writes the node down. It is frozen.
func (c *Cluster) Export(e *snapshot.Encoder) {
	e.String(1, c.id)
	c.mu.Lock()
	for id := range c.peers {
		e.String(2, id)
	}
	c.mu.Unlock()
	for i := range c.applied.ids {
		id := c.applied.ids[(c.applied.next+i)%len(c.applied.ids)]
		e.Message(3, func(e *snapshot.Encoder) {
			e.String(1, id)
			e.String(2, c.applied.said[id])
		})
	}
	e.Message(4, c.told.Export)
}

// Import makes this node, which is held, the one that was written down.
func (c *Cluster) Import(d *snapshot.Decoder) error {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			c.mu.Lock()
			c.id = d.String() // nobody has used the other one
			c.mu.Unlock()
		case 2:
			c.mu.Lock()
			c.peers[d.String()] = time.Now()
			c.mu.Unlock()
		case 3:
			c.applied.read(d.Message())
		case 4:
			if err := c.told.Import(d.Message()); err != nil {
				d.Fail(err)
			}
		}
	}
	return d.Err()
}

// read adds an id that Export has written down.
func (a *applied) read(d *snapshot.Decoder) {
	var id, said string
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			id = d.String()
		case 2:
			said = d.String()
		}
	}
	if d.Err() == nil && id != "" {
		a.add(id, said)
	}
}
