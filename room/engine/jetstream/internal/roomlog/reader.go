package roomlog

import (
	"context"
	"time"

	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/stubs"
	"webim/room/engine/jetstream/internal/subject"
)

// Config are the parts with which a Reader works. All are needed.
type Config struct {
	Messages *logread.Reader
	Stubs    stubs.Store
	Codec    *codec.Codec
	// Epoch returns the epoch of a room, and the offset up to which its history was removed.
	Epoch func(c subject.Class, room string) (epoch string, cut uint64)
	// Empty returns the sequence up to which an empty stream has nothing. It may wait.
	Empty func(c subject.Class) (uint64, error)
	// Known returns the end of a room's log, which may be older than the last publication that this node has
	// delivered or made: then the tip of that one.
	Known func(room, epoch string, end codec.Tip) codec.Tip
	// Damaged is told of publications that cannot be read and are left out.
	Damaged func(room string, err error)
	Now     func() time.Time
}

// Reader reads the logs of rooms. All methods are safe for concurrent use.
type Reader struct {
	Config
	ctx     context.Context
	tallies tallies
}

// New makes a reader. Its calls end with ctx.
func New(ctx context.Context, cfg Config) *Reader { return &Reader{Config: cfg, ctx: ctx} }

// Room returns the log of a room in its class.
func (r *Reader) Room(c subject.Class, room string) *Log {
	return &Log{r: r, class: c, room: room, subj: c.Room(room)}
}
