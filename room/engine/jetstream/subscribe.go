package jetstream

import (
	"webim/room/budget"
	"webim/room/engine"
)

// Subscribe implements engine.Log. Begin is called when the store has answered.
func (e *Engine) Subscribe(room string, _ budget.Owner, s engine.Subscriber) {
	e.subscribe(room, s, nil)
}

// subscribe adds a subscriber, which has everything up to a position.
func (e *Engine) subscribe(room string, s engine.Subscriber, at *engine.Position) {
	c := e.class(room)
	e.topics.add(room, func(t *topic) bool { return t.subscribe(s) }, func() *topic {
		t := e.newTopic(c, room, s)
		t.resumes = at
		e.jobs.Go(t.load)
		return t
	})
}

// Resume implements engine.Resumer. Begin is called when the store has answered.
func (e *Engine) Resume(room string, _ budget.Owner, s engine.Subscriber, at engine.Position) {
	e.subscribe(room, s, &at)
}

// Unsubscribe implements engine.Log.
func (e *Engine) Unsubscribe(room string, s engine.Subscriber) {
	e.topics.remove(room, func(t *topic) bool {
		ended := t.unsubscribe(s)
		if ended {
			e.cluster.Forget(room)
			e.jobs.Go(t.unload)
		}
		return ended
	})
}
