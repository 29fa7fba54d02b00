package cluster

import "webim/room/engine/jetstream/internal/frames"

// TellChange tells the other nodes a change of the State. Nobody confirms it.
func (c *Cluster) TellChange(change frames.Change) {
	if !c.cfg.Alone {
		c.send(sending{subject: subjectControl, data: c.frame(frames.Changed, frames.AppendChange(nil, &change))})
	}
}

// changed handles a change that another node tells. If too many messages wait here, it is dropped.
func (c *Cluster) changed(f frames.Frame) {
	change, err := frames.DecodeChange(f.Body)
	if err != nil {
		c.faults.Warn("a message of another node cannot be read", "node", f.From, "err", err)
		return
	}
	if c.guests.Add(1) > maxQuestions {
		c.guests.Add(-1)
		return
	}
	c.apply.Go(func() {
		defer c.guests.Add(-1)
		c.cfg.Changed(change)
	})
}
