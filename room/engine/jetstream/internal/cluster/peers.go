package cluster

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"webim/room/engine/jetstream/internal/frames"
)

// heard notes that a node lives. It reports whether the node was not known.
func (c *Cluster) heard(id string) (unknown bool) {
	c.mu.Lock()
	_, known := c.peers[id]
	if !known && len(c.peers) >= maxPeers {
		c.mu.Unlock()
		return false
	}
	c.peers[id] = time.Now()
	c.mu.Unlock()
	if !known {
		c.log.Info("another node is there", "node", id)
		if c.told.Heard(id) {
			c.compare()
		}
	}
	return !known
}

// gone forgets a node, and lets the questions that wait for it go on.
func (c *Cluster) gone(id string, farewell bool) {
	c.mu.Lock()
	_, known := c.peers[id]
	delete(c.peers, id)
	var over []*question
	for _, q := range c.asked {
		if q.waits[id] {
			delete(q.waits, id)
			if !farewell {
				q.died = append(q.died, id)
			}
			if len(q.waits) == 0 {
				over = append(over, q)
			}
		}
	}
	c.mu.Unlock()
	if known {
		c.log.Info("another node is gone", "node", id, "farewell", farewell)
		c.told.Gone(id)
	}
	for _, q := range over {
		c.fail(q, nil)
	}
}

// tick takes nodes for dead that were not heard for too long.
func (c *Cluster) tick(now time.Time) {
	c.told.Expire(now)
	if c.hears(now) {
		for _, id := range c.silent(now, c.cfg.Lease) {
			c.gone(id, false)
		}
	}
}

// hears reports whether this node hears its own beats. If not, it stood still or its connection is silent, which says
// nothing about the others. All of them get a new lease when it hears again.
func (c *Cluster) hears(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.deaf
	if c.deaf = now.Sub(c.echo) > 2*c.cfg.Beat; c.deaf {
		c.older.since = now
	}
	if c.deaf || !was {
		return !c.deaf
	}
	for id := range c.peers {
		c.peers[id] = now
	}
	return true
}

// silent returns the nodes that were not heard for some time.
func (c *Cluster) silent(now time.Time, since time.Duration) (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, heard := range c.peers {
		if now.Sub(heard) > since {
			all = append(all, id)
		}
	}
	return all
}

// alive returns the other nodes that are known, and were heard not long ago.
func (c *Cluster) alive() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, heard := range c.peers {
		if time.Since(heard) <= c.cfg.Lease/2 {
			all = append(all, id)
		}
	}
	return all
}

// greet makes this node and the others known to each other. The first answer says which others there are.
func (c *Cluster) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Beat)
	defer cancel()
	if c.hello != nil {
		_ = c.hello.Unsubscribe() // otherwise this node would answer itself
	}
	inbox := c.nc.NewRespInbox()
	answers, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer answers.Unsubscribe() //nolint:errcheck // it fails if the connection is closed
	// A node that begins at the same time hears the beat, and answers with its own.
	if err := c.nc.Publish(subjectAlive, c.beat()); err != nil {
		return err
	}
	if err := c.nc.PublishRequest(subjectHello, inbox, c.frame(frames.Hello, nil)); err != nil {
		return err
	}
	var waits, seen []string
	for first := true; first || len(waits) > 0; first = false {
		m, err := answers.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			break // there is no other node
		}
		if errors.Is(err, context.DeadlineExceeded) {
			c.log.Warn("some nodes do not answer the greeting of this one", "nodes", waits)
			break
		}
		if err != nil {
			return err
		}
		f, err := frames.Decode(m.Data)
		if err != nil && f.From == "" {
			continue
		}
		c.heard(f.From)
		seen = append(seen, f.From)
		if ids, err := frames.DecodeIDs(f.Body); err == nil && f.Kind == frames.Answer {
			waits = append(waits, ids...)
		}
		waits = slices.DeleteFunc(waits, func(id string) bool { return id == c.id || slices.Contains(seen, id) })
	}
	return c.receiveHello()
}

// receiveHello begins to receive the greetings of other nodes.
func (c *Cluster) receiveHello() (err error) {
	if c.hello, err = c.nc.ChanSubscribe(subjectHello, c.in); err != nil {
		return err
	}
	return c.nc.FlushTimeout(time.Second)
}
