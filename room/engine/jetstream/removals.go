package jetstream

import (
	"errors"
	"fmt"
	"strings"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/stubs"
)

// A backup that is restored must not bring back publications that were removed after it was made. So the caller
// takes the removals from the old store, restores the backup (package archive), and applies the removals to the new store.

// Removals returns the removed histories, and then the redacted publications, that this store still knows: entries of
// the State. It may wait.
func (e *Engine) Removals() (all []engine.Entry, err error) {
	if !e.cfg.Sole { // the copy may be from a server that is behind
		if err := e.put(retire.Probe(e.now())); err != nil {
			return nil, fmt.Errorf("jetstream: making sure that all removals are known: %w", err)
		}
	}
	for _, table := range []string{cuts.Table, stubs.Table} {
		e.state.Watch(table, func(_, is engine.Entry) {
			if is.Value != nil {
				all = append(all, is)
			}
		})() // nothing changes meanwhile: no node uses the store
	}
	return all, nil
}

// Apply repeats removals in a store that was restored. It may wait.
func (e *Engine) Apply(all []engine.Entry) error {
	for _, is := range all {
		again := e.applyStub
		if is.Table == cuts.Table {
			again = e.applyCut
		}
		if err := again(is); err != nil {
			return err
		}
	}
	return nil
}

// applyCut removes a history, unless it was removed before the backup was made.
func (e *Engine) applyCut(is engine.Entry) error {
	c := e.classWith(is.Name)
	if c == nil || cuts.Decode(is.Value).Times <= cuts.Decode(e.state.Entry(is.Key).Value).Times {
		return nil
	}
	return errors.Join(e.ready(c), e.removeHistoryOf(c, is.Of))
}

// applyStub redacts the publication that a stub stands for, if it is there.
func (e *Engine) applyStub(is engine.Entry) error {
	token, _, _ := strings.Cut(is.Name, " ")
	c := e.classWith(token)
	if c == nil {
		return nil
	}
	offset, ok := stubs.Offset(c.Class, is.Name)
	if err := e.ready(c); !ok || err != nil {
		return err
	}
	one, err := e.sureAt(c, offset)
	if errors.Is(err, logread.ErrNone) {
		return nil
	}
	if err != nil {
		return fault.Of(err)
	}
	was, bad := envelope.Decode(is.Value)
	now, damaged := envelope.Decode(one.Data)
	if bad != nil || damaged != nil || was.Time != now.Time {
		return nil // the offset belongs to another publication
	}
	return e.redactOne(c, is.Of, offset)
}
