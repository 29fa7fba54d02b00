package jetstream

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/subject"
	"webim/room/engine/jetstream/internal/sweep"
)

// class is a retention class, with the stream that has the log of all its rooms.
type class struct {
	subject.Class

	// incarnation is the part of the epoch that changes when the stream is made anew; nil: the stream was
	// not opened yet.
	incarnation atomic.Pointer[string]
	openMu      sync.Mutex       // held while the stream is opened
	handle      jetstream.Stream // guarded by openMu
	tries       atomic.Uint64    // how often the stream did not open for ready; written with openMu held
	failed      error            // of the last of these tries; guarded by openMu
	known       streams.Known    // the sequences that this node knows of
	looking     atomic.Bool      // a job looks for the stream
	swept       sweep.Stream     // how far the rooms were compared with the log; of the sweep

	emptyMu   sync.Mutex // held while the server is asked
	emptySeen time.Time  // when the leader was asked
	emptyLast uint64     // the sequence up to which it had nothing then
	emptyOf   *string    // the incarnation then
}

// keyWindow returns how long the stream knows ids: the server does not take more than the age.
func (c *class) keyWindow(window time.Duration) time.Duration {
	if c.Age > 0 {
		return min(window, c.Age)
	}
	return window
}

// cutOf is the key of a room's cut.
func (c *class) cutOf(room string) cuts.Key { return cuts.Key{Room: room, Class: c.Token} }
