package jetstream

import (
	"encoding/json"

	"github.com/nats-io/nats.go"

	"webim/room/engine"
)

// Notices take the same way as publications, from node to node, but are not stored. They may be lost.

// notice gives a notice to the subscribers of a topic.
func (e *Engine) notice(t *topic, m *nats.Msg) {
	var n engine.Notice
	if err := json.Unmarshal(m.Data, &n); err != nil {
		e.failed("a notice cannot be read", t.room, err)
		return
	}
	t.notice(n)
}

// Notify implements engine.Control.
func (e *Engine) Notify(room string, n engine.Notice) {
	data, err := json.Marshal(n)
	if err != nil {
		e.failed("a notice cannot be sent", room, err)
		return
	}
	e.acks.Send(e.class(room).live(room), data)
}
