package jetstream

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/stubs"
)

// Removed messages have to leave the files. The server overwrites one message at a time, and writes the block of
// the message anew for that, which takes some 10 ms. So a removed history is wiped message by message, with pauses
// in which others can write: the rooms take turns.
//
// A node may end before it has deleted the messages that it has removed. So all nodes look after each cut and each stub that they
// hear of, also at their start: some seconds later, nothing may be left. If there is, and it does not become less,
// the node goes on with the work. What a node takes for gone, it does not look at again. So before a node looks, it proves once
// for each stream that the server which answers has everything (logread.Leader.Prove).

// sweepRemoved looks whether everything is gone that was removed some seconds ago.
func (e *Engine) sweepRemoved() {
	defer e.jobs.After(e.cfg.lookEvery, e.sweepRemoved)
	if e.unavailable() != nil {
		return // nothing is lost: Take was not called
	}
	proofs := map[*class]error{}
	for k := range e.wipes.Take() {
		if e.jobs.Pausing() {
			e.wipes.Note(k) // look at it the next time
			continue
		}
		err := e.look(k, proofs)
		if err != nil {
			e.wipes.Note(k) // look again
			e.failed("removed messages may still be in the store", k.Of, err)
		}
		if e.ctx.Err() != nil {
			return
		}
	}
}

// look looks after one cut or stub. proofs has the results of the proofs of this sweep.
func (e *Engine) look(k engine.Key, proofs map[*class]error) error {
	token, _, _ := strings.Cut(k.Name, " ")
	c := e.classWith(token)
	if c == nil {
		return nil
	}
	if err := e.ready(c); err != nil {
		return err
	}
	unproved, made := proofs[c]
	if !made {
		unproved = e.read.Leader().Prove(e.ctx, c.Stream, c.Markers())
		proofs[c] = unproved
	}
	if unproved != nil && !errors.Is(unproved, logread.ErrFull) {
		return fault.Of(unproved)
	}
	// A full stream takes no marker, and to overwrite what is left makes space. But that nothing is left is not believed then.
	if k.Table == stubs.Table {
		return cmp.Or(e.finishRedact(c, k), fault.Of(unproved))
	}
	first, err := e.firstBefore(c, k.Of)
	if err == nil && first == 0 {
		err = fault.Of(unproved)
	}
	if err != nil {
		return err
	}
	key := cuts.Key{Room: k.Of, Class: k.Name}
	if e.wipes.Left(key, first) { // whoever began it has ended
		e.wipe(key)
	}
	return nil
}

// finishRedact deletes the message of which a stub is there.
func (e *Engine) finishRedact(c *class, k engine.Key) error {
	offset, ok := stubs.Offset(c.Class, k.Name)
	stub := e.state.Entry(k)
	if !ok || stub.Version == 0 {
		return nil
	}
	one, err := e.read.Leader().At(e.ctx, c.Stream, offset)
	if errors.Is(err, logread.ErrNone) || err == nil && (one.Subject != c.Room(k.Of) || !stubs.Replaces(logread.Stored{Seq: offset, Data: stub.Value}, one)) {
		return nil
	}
	if err != nil {
		return fault.Of(err)
	}
	return e.overwrite(c, offset)
}

// firstBefore returns the first offset that a room still has up to its cut; 0: none, as the server says that answers.
func (e *Engine) firstBefore(c *class, room string) (uint64, error) {
	one, err := e.read.Leader().Next(e.ctx, c.Stream, c.Room(room), 1)
	switch {
	case errors.Is(err, logread.ErrNone), err == nil && one.Seq > e.cuts.Get(c.cutOf(room)).Offset:
		return 0, nil
	case err != nil:
		return 0, fault.Of(err)
	}
	return one.Seq, nil
}

// wipe begins to wipe a room's messages up to its cut.
func (e *Engine) wipe(k cuts.Key) {
	if e.wipes.Add(k) {
		e.jobs.Go(e.wipeNext)
	}
}

// wipeNext overwrites the next message of the room whose turn it is. Then it pauses as long as that took.
func (e *Engine) wipeNext() {
	k, ok := e.wipes.Next()
	if !ok {
		return
	}
	began := time.Now()
	more, err := e.wipeOne(k)
	if err != nil {
		e.failed("removed messages may still be in the store", k.Room, err) // a sweep finds them
	}
	if more {
		e.wipes.Again(k)
	}
	e.jobs.After(time.Since(began), e.wipeNext)
}

// wipeOne overwrites the first message of a room, if it is not after the cut. When none is left, it removes the
// stubs. It needs no proof of that: nobody reads what is before a cut, and a sweep that comes later proves it.
func (e *Engine) wipeOne(k cuts.Key) (more bool, err error) {
	c := e.classWith(k.Class)
	first, err := e.firstBefore(c, k.Room)
	if err != nil {
		return false, err
	}
	if first > 0 {
		err = e.overwrite(c, first)
		return err == nil, err
	}
	s, ok := e.stubs().From(c.Class, k.Room, 0)
	if !ok || s.Seq > e.cuts.Get(k).Offset {
		return false, nil
	}
	err = e.removeStub(c, k.Room, s.Seq)
	return err == nil, err
}
