package cluster

import (
	"errors"
	"fmt"
	"slices"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
)

// AddNode is that of engine.Control.
func (c *Cluster) AddNode(n engine.Node) { c.hubs.AddNode(n) }

// RemoveNode is that of engine.Control.
func (c *Cluster) RemoveNode(n engine.Node) { c.hubs.RemoveNode(n) }

// maxControl is the maximum size of a control message, in bytes of its frame: it goes in one message.
const maxControl = 1 << 20

// SendControl is that of engine.Control. This node applies the message first, also while the connection is
// lost: a client that has to go should go.
func (c *Cluster) SendControl(m engine.ControlMessage, done func(error)) {
	body, err := frames.AppendControl(nil, &m)
	if err == nil && len(body) > maxControl {
		err = fmt.Errorf("cluster: a control message has %d bytes, and may have %d", len(body), maxControl)
	}
	if err == nil && c.owned.Add(1) > maxQuestions {
		c.owned.Add(-1)
		err = errBusy
	}
	if err != nil {
		done(err)
		return
	}
	c.apply.Go(func() {
		here := c.applyHere(m)
		c.owned.Add(-1)
		c.ask(subjectControl, frames.Control, body, true, func(r result) { done(errors.Join(here, r.unconfirmed())) })
	})
}

// unconfirmed returns the error for a control message that not all nodes have applied without an error.
func (r *result) unconfirmed() error {
	var errs []error
	if r.err != nil {
		errs = append(errs, fmt.Errorf("%w: only this node is known to have applied it: %w", engine.ErrUnconfirmed, r.err))
	}
	for _, a := range r.answers {
		if a.refused != "" {
			errs = append(errs, refusal(a))
		}
	}
	for _, id := range slices.Concat(r.late, r.died) {
		errs = append(errs, fmt.Errorf("%w: node %s", engine.ErrUnconfirmed, id))
	}
	return errors.Join(errs...)
}

// refusal returns the error of another node.
func refusal(a answer) error {
	if a.refused == engine.ErrStateOld.Error() {
		return fmt.Errorf("%w: node %s", engine.ErrStateOld, a.from)
	}
	return fmt.Errorf("cluster: node %s: %s", a.from, a.refused)
}

// applyHere applies a control message to the hubs of this process. It runs on the job of apply.
func (c *Cluster) applyHere(m engine.ControlMessage) error {
	var errs []error
	for _, n := range c.hubs.All() {
		errs = append(errs, n.Apply(m))
	}
	return errors.Join(errs...)
}

// confirm applies a control message of another node, unless it was applied before, and answers. It runs on
// the job of apply.
func (c *Cluster) confirm(id string, f frames.Frame) {
	said, before := c.applied.find(id)
	if !before {
		m, err := frames.DecodeControl(f.Body)
		if err == nil {
			err = c.applyHere(m)
		}
		if err != nil {
			said = err.Error()
		}
		c.applied.add(id, said)
	}
	kind := frames.Answer
	if said != "" {
		kind = frames.Refusal
	}
	c.send(sending{subject: id, data: c.frame(kind, []byte(said))})
}

// maxApplied is the number of control messages that a node remembers. They come again within seconds.
const maxApplied = 8192

// applied remembers control messages of other nodes by their ids, and how applying them ended.
type applied struct {
	said map[string]string
	ids  []string // a ring, in order
	next int
}

func (a *applied) find(id string) (said string, before bool) {
	said, before = a.said[id]
	return said, before
}

func (a *applied) add(id, said string) {
	if a.said == nil {
		a.said = map[string]string{}
	}
	if len(a.ids) < maxApplied {
		a.ids = append(a.ids, id)
	} else {
		delete(a.said, a.ids[a.next])
		a.ids[a.next] = id
		a.next = (a.next + 1) % maxApplied
	}
	a.said[id] = said
}

// Collect is that of engine.Control.
func (c *Cluster) Collect(q engine.Question, done func([]engine.NodeInfo, error)) {
	kind, body := frames.Info, q.Rooms
	if q.Ended != "" {
		kind, body = frames.Ended, q.Ended
		q.Rooms = ""
	}
	c.ask(subjectAsk, kind, []byte(body), false, func(r result) {
		err := r.missing()
		if err == nil && len(r.died) > 0 {
			err = fmt.Errorf("%w: node %s does not answer and may be dead", engine.ErrUnavailable, r.died[0])
		}
		all := c.infosHere(q)
		for _, a := range r.answers {
			if err == nil {
				var some []engine.NodeInfo
				some, err = frames.DecodeInfos(a.body)
				all = append(all, some...)
			}
		}
		if err != nil {
			all = nil
		}
		done(all, err)
	})
}

// infosHere returns the reports of the hubs of this process.
func (c *Cluster) infosHere(q engine.Question) (all []engine.NodeInfo) {
	for _, n := range c.hubs.All() {
		all = append(all, n.Info(q))
	}
	return all
}
