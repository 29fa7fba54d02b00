package jetstream

import (
	"fmt"

	"webim/room/engine/jetstream/internal/sweep"
)

// sweep compares all topics with their logs, and then waits for the next time.
func (e *Engine) sweep() {
	if e.unavailable() == nil {
		all := map[*class]map[string]sweep.Room{}
		for _, t := range e.topics.all() {
			if all[t.class] == nil {
				all[t.class] = map[string]sweep.Room{}
			}
			all[t.class][t.subj] = t
		}
		for c, topics := range all {
			if err := e.sweepClass(c, topics); err != nil {
				e.failed("the ends of rooms cannot be compared with the log", "", fmt.Errorf("stream %s: %w", c.Stream, err))
			}
		}
	}
	e.jobs.After(e.cfg.sweep, e.sweep)
}

// sweepClass compares the topics of a class with its log.
func (e *Engine) sweepClass(c *class, topics map[string]sweep.Room) error {
	if name := c.incarnation.Load(); name != nil {
		return c.swept.Sweep(e.ctx, e.read, c.Stream, *name, topics)
	}
	return nil
}

// Sweepable implements sweep.Room.
func (t *topic) Sweepable() (began bool, incarnation string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.began && !t.ended, t.sweptIn
}

// Sees implements sweep.Room.
func (t *topic) Sees(offset uint64) {
	t.mu.Lock()
	lacks := t.began && !t.ended && offset > t.tip.Offset
	t.mu.Unlock()
	if lacks {
		t.e.jobs.After(t.e.cfg.sweep/sweepGrace, func() { t.reaches(offset) })
	}
}

// Swept implements sweep.Room.
func (t *topic) Swept(incarnation string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweptIn = incarnation
}
