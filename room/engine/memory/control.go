package memory

import (
	"errors"
	"slices"

	"webim/room/engine"
)

// AddNode implements engine.Control.
func (m *Engine) AddNode(n engine.Node) { m.nodes.AddNode(n) }

// RemoveNode implements engine.Control.
func (m *Engine) RemoveNode(n engine.Node) { m.nodes.RemoveNode(n) }

// SendControl implements engine.Control.
func (m *Engine) SendControl(msg engine.ControlMessage, done func(error)) {
	var errs []error
	for _, n := range m.nodes.All() {
		errs = append(errs, n.Apply(msg))
	}
	done(errors.Join(errs...))
}

// Collect implements engine.Control.
func (m *Engine) Collect(q engine.Question, done func([]engine.NodeInfo, error)) {
	var all []engine.NodeInfo
	for _, n := range m.nodes.All() {
		all = append(all, n.Info(q))
	}
	done(all, nil)
}

// Notify implements engine.Control.
func (m *Engine) Notify(room string, n engine.Notice) {
	for _, s := range m.subscribers(room) {
		s.Notify(n)
	}
}

// Members implements engine.Control.
func (m *Engine) Members(room string, limit int, done func([]engine.Author, error)) {
	var all []engine.Author
	for _, s := range m.subscribers(room) {
		some, clients := s.Members(limit - len(all))
		if clients > limit-len(all) {
			done(nil, engine.ErrTooManyMembers)
			return
		}
		all = append(all, some...)
	}
	done(all, nil)
}

// Count implements engine.Control. It compares the names of users only if several hubs share the
// engine.
func (m *Engine) Count(room string, done func(clients, users int, err error)) {
	subs := m.subscribers(room)
	if len(subs) == 1 {
		clients, users := subs[0].Count(nil)
		done(clients, users, nil)
		return
	}
	total, names := 0, map[string]bool{}
	for _, s := range subs {
		clients, _ := s.Count(func(user string) { names[user] = true })
		total += clients
	}
	done(total, len(names), nil)
}

// subscribers returns the subscribers of a room.
func (m *Engine) subscribers(room string) []engine.Subscriber {
	t := m.existing(room)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(t.subscribers())
}
