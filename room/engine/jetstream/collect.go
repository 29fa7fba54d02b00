package jetstream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/keyuse"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/stubs"
	"webim/room/engine/jetstream/internal/subject"
)

// When the stream of keys is half full, one node removes the keys with which no stored text is sealed: see package retire. It works for half of the
// time at most: after each request it rests as long as that took.

// stall is the number of times of retire.Wait without a change after which the collector of a round counts as dead.
const stall = 3

// collectKeys looks whether a round has to begin, or one whose collector has ended has to be completed or abandoned.
func (e *Engine) collectKeys() {
	defer e.jobs.After(e.cfg.compareEvery, e.collectKeys)
	if e.unavailable() != nil || e.StateIsOld() {
		return
	}
	if err := e.collect(); err != nil && !errors.Is(err, engine.ErrVersion) { // then another node was first
		e.failed("unused keys of users cannot be removed", "", err)
	}
}

// collect is collectKeys once. It may take hours.
func (e *Engine) collect() error {
	r, version, seen, err := e.unused.view.Round()
	c := &collector{e: e, round: r, version: version, began: time.Now(), read: map[string]position{}}
	stalled := time.Since(seen) > stall*e.cfg.unused.wait
	switch {
	case err != nil:
		return err
	case r.Phase == retire.Idle:
		if e.unused.stored.Load() < int64(e.cfg.unused.from) || e.now().Sub(r.Ended).Abs() < e.cfg.unused.every {
			return nil
		}
		if err := e.heardNone(time.Now().Add(-e.cfg.unused.wait)); errors.Is(err, errDeaf) {
			return nil // it is too early
		} else if err != nil {
			return err
		}
		if err := e.streams.RefuseOlder(e.ctx, state.Stream); err != nil {
			return err
		}
		c.round.Owner = rand.Uint64()
		return c.collect()
	case !stalled:
		return nil
	case r.Phase == retire.Deleting:
		if err := c.deleteDoomed(); err != nil {
			return err
		}
	}
	return c.end() // without Deleting, the keys that it has named stay
}

// errOlder: a node is there, or was, that does not know of rounds, so it would seal with keys that are being removed.
// errDeaf: this node would not have heard it.
var (
	errOlder = errors.New("jetstream: unused keys stay while a node of webim 0.1.0 is there: end it")
	errDeaf  = errors.New("jetstream: this node has not heard the other nodes without a gap")
)

// heardNone returns an error unless this node has heard all nodes since a time, and none of them is older than rounds.
func (e *Engine) heardNone(since time.Time) error {
	heard, node := e.cluster.Older()
	switch {
	case heard.Before(since):
		return nil
	case node == "":
		return errDeaf
	}
	return fmt.Errorf("%w: %s", errOlder, node)
}

// collector removes unused keys.
type collector struct {
	e       *Engine
	round   retire.Round // as this collector has written it
	version uint64       // of its entry
	put     time.Time    // when it was written
	keys    *keyuse.Set
	newer   keyuse.Newer
	read    map[string]position // by stream
	began   time.Time
	removed int
}

// position says how far a stream was read.
type position struct {
	incarnation string
	seq         uint64
}

// errPaused: the node moves to another process, or ends.
var errPaused = errors.New("jetstream: the node pauses")

// collect removes the keys with which no text is sealed.
func (c *collector) collect() error {
	err := c.step(retire.Scanning, nil)
	if err != nil {
		return err
	}
	all, err := c.e.userKeys.List(c.e.ctx, c.rest)
	if err == nil {
		c.keys = keyuse.NewSet(all)
		err = c.scan(c.keys.Use)
	}
	for err == nil {
		some := c.keys.TakeUnused(c.e.cfg.unused.most)
		if len(some) == 0 {
			break
		}
		err = c.remove(some)
	}
	if errors.Is(err, engine.ErrVersion) || errors.Is(err, engine.ErrUnknown) || c.round.Phase == retire.Deleting {
		return err // the round belongs to another node, or is completed later
	}
	return errors.Join(err, c.end())
}

// end ends the round, and removes the entries that keep keys: the next round does not heed them.
func (c *collector) end() error {
	c.round.Ended = c.e.now()
	if err := c.step(retire.Idle, nil); err != nil {
		return err
	}
	for _, is := range c.e.unused.view.Kept() {
		err := c.e.wait(func(done func(error)) { c.e.delete(is.Key, is.Version, done) })
		if err != nil && !errors.Is(err, engine.ErrVersion) { // then it is of a later round
			return err
		}
	}
	if c.removed > 0 {
		c.e.log.Info("unused keys of users were removed", "removed", c.removed, "took", time.Since(c.began).Round(time.Millisecond))
	}
	return nil
}

// step writes the round, unless another node has changed it.
func (c *collector) step(phase retire.Phase, named []retire.Ref) error {
	if err := c.e.cfg.unused.step(c.e, phase.String()); err != nil {
		return err
	}
	next := c.round
	next.Phase, next.Keys = phase, named
	if phase == retire.Naming {
		next.ID = rand.Uint64() | 1
	}
	version := uint64(0)
	err := c.e.wait(func(done func(error)) {
		c.e.write(engine.Entry{Key: retire.RoundKey(), Value: next.Encode(), Version: c.version}, func(v uint64, err error) { version = v; done(err) })
	})
	if err != nil {
		return fmt.Errorf("jetstream: the phase %v: %w", phase, err)
	}
	c.round, c.version, c.put = next, version, time.Now()
	return nil
}

// remove removes keys with which no text was sealed when the log was read.
func (c *collector) remove(some []retire.Ref) error {
	incarnation := c.e.state.Incarnation()
	err := c.step(retire.Naming, some)
	began := c.put
	if err == nil {
		err = c.pause(c.e.cfg.unused.wait)
	}
	if err == nil {
		err = c.e.cfg.unused.step(c.e, "look again")
	}
	if err != nil {
		return err
	}
	if err := c.e.heardNone(began); err != nil {
		return err
	}
	named := keyuse.NewSet(slices.Clone(some))
	use := func(id uint64) { named.Use(id); c.keys.Use(id) }
	if err := c.scan(use); err != nil {
		return err
	}
	some = slices.DeleteFunc(some, func(k retire.Ref) bool { return named.IsUsed(k.ID) })
	if c.e.state.Incarnation() != incarnation {
		return errors.New("jetstream: the state was set back: keys that were kept may be missing there")
	}
	if err := c.step(retire.Deleting, some); err != nil {
		return err
	}
	if err := c.deleteDoomed(); err != nil {
		return err
	}
	return c.step(retire.Scanning, nil)
}

// deleteDoomed deletes the keys that nobody has kept.
func (c *collector) deleteDoomed() error {
	for _, k := range c.e.unused.view.Doomed() {
		if err := c.e.cfg.unused.step(c.e, "delete"); err != nil {
			return err
		}
		began := time.Now()
		removed, err := c.e.userKeys.Remove(c.e.ctx, k)
		if err == nil {
			err = c.rest(time.Since(began))
		}
		if err != nil {
			return err
		}
		if removed {
			c.removed++
		}
	}
	return nil
}

// scan calls use with the id of each key that the logs need which it has not read yet, and that the stubs need. It ends with a
// keyuse.ErrNewer after the first stream that has messages of a newer webim. It leaves out logs whose messages are gone
// before a copy of the State is too old: what was sealed there by a node that did not know of the round has gone, too.
func (c *collector) scan(use func(id uint64)) error {
	err := c.e.eachClass(c.e.ctx, func(class subject.Class) error {
		if class.Age > 0 && class.Age <= c.e.cfg.unused.fresh {
			return nil
		}
		return c.scanClass(class, use)
	})
	if err != nil {
		return err
	}
	c.eachStub(use) // after the streams: a message is deleted when its stub is there
	return c.newer.Err()
}

// scanClass is scan for the log of a class.
func (c *collector) scanClass(class subject.Class, use func(id uint64)) error {
	s, err := c.e.streams.Find(c.e.ctx, class.Stream)
	if err != nil {
		return err
	}
	p := c.read[class.Stream]
	if is := streams.Incarnation(s); is != p.incarnation {
		p = position{incarnation: is} // its sequences may have come again
	}
	if p.seq, err = keyuse.Scan(c.e.ctx, c.e.js, c.e.read.Leader(), class, p.seq, c.rest, use, &c.newer); err != nil {
		return err
	}
	c.read[class.Stream] = p
	return c.newer.Err() // no key is removed, whatever the others need
}

// eachStub calls use with the id of each key that a stub needs.
func (c *collector) eachStub(use func(id uint64)) {
	c.e.state.Watch(stubs.Table, func(_, is engine.Entry) {
		keyuse.Read(state.Stream, is.Version, is.Value, use, &c.newer)
	})()
}

// rest rests as long as a request took. While the log is read, it tells the others now and then that this node lives.
func (c *collector) rest(took time.Duration) error {
	if c.round.Phase == retire.Scanning && time.Since(c.put) > c.e.cfg.unused.wait {
		if err := c.step(retire.Scanning, nil); err != nil {
			return err
		}
	}
	return c.pause(took)
}

// pause waits, and ends early if the node does.
func (c *collector) pause(d time.Duration) error {
	const look = 100 * time.Millisecond
	for until := time.Now().Add(d); ; {
		if c.e.jobs.Pausing() || c.e.ctx.Err() != nil {
			return errPaused
		}
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		select {
		case <-time.After(min(left, look)):
		case <-c.e.ctx.Done():
		}
	}
}
