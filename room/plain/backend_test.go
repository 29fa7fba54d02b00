package plain_test

import (
	"sync/atomic"

	"webim/room"
)

// backend is an application's backend with one hook.
type backend struct {
	hook  room.Hook
	asked atomic.Int64
	left  chan room.DisconnectEvent
}

func (b *backend) Asks(k room.Hook, name string) bool {
	return k == b.hook && (k == room.HookDisconnect || name == "hooked")
}

func (b *backend) Ask(_ room.HookRequest, done func(room.HookReply, error)) {
	b.asked.Add(1)
	go done(room.HookReply{}, nil)
}

func (b *backend) Disconnected(d room.DisconnectEvent) { b.left <- d }
func (b *backend) Headers() []string                   { return nil }
