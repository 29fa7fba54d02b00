package jetstream

import (
	"webim/room/engine"
)

// Package cluster connects the nodes; an Engine is one of them, with the hubs that were added.

// AddNode implements engine.Control.
func (e *Engine) AddNode(n engine.Node) { e.cluster.AddNode(n) }

// RemoveNode implements engine.Control.
func (e *Engine) RemoveNode(n engine.Node) { e.cluster.RemoveNode(n) }

// SendControl implements engine.Control.
func (e *Engine) SendControl(m engine.ControlMessage, done func(error)) {
	e.cluster.SendControl(m, done)
}

// Collect implements engine.Control.
func (e *Engine) Collect(q engine.Question, done func([]engine.NodeInfo, error)) {
	e.cluster.Collect(q, done)
}

// Members implements engine.Control.
func (e *Engine) Members(room string, limit int, done func([]engine.Author, error)) {
	e.cluster.Members(room, limit, done)
}

// Count implements engine.Control. If the room has more than 4,096 users on one node and members on others,
// the number of users is an estimate with a standard error of 0.8 %, and both numbers are up to 2 s old.
func (e *Engine) Count(room string, done func(clients, users int, err error)) {
	e.cluster.Count(room, done)
}

// subscribers returns the subscribers of a room on this node.
func (e *Engine) subscribers(room string) []engine.Subscriber {
	t := e.topic(room)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.subs
}
