package jetstream

import (
	"github.com/nats-io/nats.go"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
)

// Notices take the same way as publications, from node to node, but are not stored. They may be lost.

// notice gives a notice to the subscribers of a topic, unless they were told it before.
func (e *Engine) notice(t *topic, m *nats.Msg) {
	n, err := frames.DecodeNotice(m.Data)
	if err != nil {
		e.failed("a notice cannot be read", t.room, err)
		return
	}
	if e.cluster.News(n.From, t.room, n.Notice) {
		t.notice(n.Notice)
	}
}

// tell gives a notice to the subscribers of a room on this node, as far as it has any.
func (e *Engine) tell(room string, n engine.Notice) {
	if t := e.topic(room); t != nil {
		t.notice(n)
	}
}

// Notify implements engine.Control.
func (e *Engine) Notify(room string, n engine.Notice) {
	e.acks.Send(e.class(room).Live(room), frames.AppendNotice(nil, &frames.Notice{From: e.cluster.ID(), Notice: n}))
}
