package api

import (
	"context"

	"webim/room/await"
	"webim/room/engine"
)

// target selects connections: all of a user, or one.
type target struct {
	User    string `json:"user"`
	Client  string `json:"client"`
	Session string `json:"session"`
}

func (t target) target() engine.Target {
	return engine.Target{User: t.User, Client: t.Client, Session: t.Session}
}

// command sends a control message. Success means that the engine has accepted it, not that
// connections have changed.
func (h *Handler) command(ctx context.Context, o engine.ControlMessage) (*empty, error) {
	if err := await.Error(ctx, func(done func(error)) { h.cfg.Hub.Control().Send(o, done) }); err != nil {
		return nil, err
	}
	return &empty{}, nil
}
