package durable

import (
	"context"
	"iter"

	"webim/room/engine"
)

// Disk is the disk of a store. All methods are safe for concurrent use.
type Disk struct {
	ctx    context.Context
	commit func(stream string, done func(error))
}

// New returns the disk of a store. commit calls done when all messages that are in a stream now are on the disk; nil means
// that nobody waits for it. Calls that wait for it end with ctx.
func New(ctx context.Context, commit func(stream string, done func(error))) *Disk {
	return &Disk{ctx, commit}
}

// Then calls done when everything in a stream is on the disk, or cannot be written.
func (d *Disk) Then(stream string, done func(error)) {
	if d.commit == nil {
		done(nil)
		return
	}
	d.commit(stream, done)
}

// Wait waits until everything in a stream is on the disk.
func (d *Disk) Wait(stream string) error {
	if d.commit == nil {
		return nil
	}
	c := make(chan error, 1)
	d.commit(stream, func(err error) { c <- err })
	select {
	case err := <-c:
		return err
	case <-d.ctx.Done():
		return engine.ErrUnavailable
	}
}

// WaitAll waits until everything in some streams is on the disk; a stream may come several times. It returns the errors of
// those for which that has failed; nil: none.
func (d *Disk) WaitAll(streams iter.Seq[string]) (failed map[string]error) {
	if d.commit == nil {
		return nil
	}
	seen := map[string]bool{}
	for stream := range streams {
		if stream == "" || seen[stream] {
			continue
		}
		seen[stream] = true
		if err := d.Wait(stream); err != nil {
			if failed == nil {
				failed = map[string]error{}
			}
			failed[stream] = err
		}
	}
	return failed
}
