package plain_test

import (
	"sync/atomic"

	"webim/room/backend"
)

// fakeBackend is an application's backend with one hook.
type fakeBackend struct {
	hook  backend.Hook
	asked atomic.Int64
	left  chan backend.DisconnectEvent
}

func (b *fakeBackend) Asks(k backend.Hook, name string) bool {
	return k == b.hook && (k == backend.HookDisconnect || name == "hooked")
}

func (b *fakeBackend) Handles(k backend.Hook) bool { return k == b.hook }

func (b *fakeBackend) Ask(_ backend.Request, done func(backend.Reply, error)) {
	b.asked.Add(1)
	go done(backend.Reply{}, nil)
}

func (b *fakeBackend) Disconnected(d backend.DisconnectEvent) { b.left <- d }
func (b *fakeBackend) Headers() []string                      { return nil }
