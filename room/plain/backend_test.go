package plain_test

import (
	"sync/atomic"

	"webim/room"
)

// backend is an application's backend with one hook.
type backend struct {
	hook  room.Hook
	asked atomic.Int64
	left  chan room.Departure
}

func (b *backend) Asks(k room.Hook, name string) bool {
	return k == b.hook && (k == room.HookDisconnect || name == "hooked")
}

func (b *backend) Ask(_ room.Inquiry, done func(room.Answer, error)) {
	b.asked.Add(1)
	go done(room.Answer{}, nil)
}

func (b *backend) Left(d room.Departure) { b.left <- d }
func (b *backend) Headers() []string     { return nil }
