package jetstream

import (
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/fault"
)

// cutChanged follows a change of a cut.
func (e *Engine) cutChanged(_, is engine.Entry) {
	e.cuts.Change(is)
	if is.Value != nil {
		e.wipes.Note(is.Key)
	}
	if e.following.Load() {
		e.jobs.Go(func() {
			if t := e.topic(is.Of); t != nil {
				t.check()
			}
		})
	}
}

// RemoveHistory implements engine.Log. When done is called, nobody can read the history any more. Its bytes on
// the disk are overwritten after that: see wipe.go.
func (e *Engine) RemoveHistory(room string, done func(error)) {
	e.changeOnJob(done, func() error { return e.removeHistory(room) })
}

func (e *Engine) removeHistory(room string) error { return e.removeHistoryOf(e.class(room), room) }

// removeHistoryOf removes the history that a room has in a class.
func (e *Engine) removeHistoryOf(c *class, room string) error {
	if err := e.ready(c); err != nil {
		return err
	}
	if err := e.proveLog(e.ctx, c.Class); err != nil { // otherwise the history would stay, or a part of it
		return fault.Of(err)
	}
	last, gone, err := e.logOf(c, room).EndOfLeader()
	if err != nil {
		return err
	}
	epoch, _ := e.epochOf(c, room)
	last = e.noOlder(room, epoch, last) // the proof of a full log is a weaker one
	t := e.topic(room)
	if t == nil && last.Offset <= gone {
		return nil // there is nothing to remove, and nobody to tell
	}
	// A power cut must not take back messages before the cut: others would get their offsets.
	if err := e.disk.Wait(c.Stream); err != nil {
		return err
	}
	k := c.cutOf(room)
	for range maxPuts {
		is := e.state.Entry(k.Entry())
		was := cuts.Decode(is.Value)
		now := cuts.Cut{Times: was.Times + 1, Offset: max(was.Offset, last.Offset)}
		if err = e.put(engine.Entry{Key: k.Entry(), Value: now.Encode(), Version: is.Version}); err != engine.ErrVersion {
			break
		}
	}
	if err != nil {
		return err
	}
	if t != nil {
		t.check()
	}
	e.wipe(k)
	return nil
}
