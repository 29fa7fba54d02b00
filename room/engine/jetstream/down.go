package jetstream

import "webim/room/engine"

func (e *Engine) setDown(why string) { e.down.Store(&why) }

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
