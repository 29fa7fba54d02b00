package jetstream

import (
	"time"

	"webim/room/engine"
)

const connectionLost = "the connection to NATS is lost"

func (e *Engine) setDown(why string) { e.down.Store(&why) }

// retry is how long a job waits after an error of the store before it tries again. It has no other limit than the life of
// the topic, or of the engine: without the answer, neither can go on. Each error is logged.
const retry = 250 * time.Millisecond

// unavailable returns engine.ErrUnavailable while the store cannot be used.
func (e *Engine) unavailable() error {
	if e.down.Load() != nil {
		return engine.ErrUnavailable
	}
	return nil
}

// unwritable returns engine.ErrUnavailable while the store cannot be used, or nothing can be written.
func (e *Engine) unwritable() error {
	if e.isSilent() {
		return engine.ErrUnavailable
	}
	return e.unavailable()
}

// isSilent reports whether the store has failed, so that it answers no writes.
func (e *Engine) isSilent() bool { return e.cfg.Err != nil && e.cfg.Err() != nil }

// failed logs an error.
func (e *Engine) failed(what, room string, err error) {
	if e.ctx.Err() != nil {
		return
	}
	e.faults.Warn(what, "room", room, "err", err)
}
