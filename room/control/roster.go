package control

import (
	"bytes"

	"webim/room/engine"
	"webim/room/policy"
)

// rosterChanged makes the sessions of a user apply a change of a roster's entry of the user, on whichever node it was made.
// They read the roster in the State of this node, so nothing else may tell them: a control message could come
// before the change.
func (c *Controller) rosterChanged(was, is engine.Entry) {
	if !policy.IsRoster(is.Of) || bytes.Equal(was.Value, is.Value) {
		return
	}
	c.enforce(func() {
		for _, s := range c.sessionsOf(is.Name) {
			s.Apply(engine.ControlMessage{Kind: engine.ControlRoster, Room: is.Of})
		}
	})
}
