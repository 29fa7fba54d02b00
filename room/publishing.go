package room

import (
	"context"
	"sync"
	"time"

	"webim/room/engine"
	"webim/room/wire"
	"webim/room/work"
)

// A publishing accompanies a message through the engine, and handles the engine's answer. Each message
// has one, so they are reused. newPublishing makes a publishing, the caller fills it in and passes it to
// Hub.publish, or calls end if the message is not published after all. The engine calls answered exactly
// once, which calls end, and that puts the publishing back into the pool.
type publishing struct {
	hub  *Hub
	by   publisher
	room *Room  // its flow control has let the message in; nil: none
	size uint64 // the size with which it was let in
	undo func() // undoes the counting in slow mode; nil: it was not counted

	name string         // the name of the room
	m    engine.Message // the message for Config.FollowUp; zero if that is nil

	began int64 // on the hub's clock, if its time is measured; 0: it is not

	call bool                         // a call publishes
	s    Session                      // the session that sent the publish command; nil: none
	id   uint32                       // the id of that command
	done func(engine.Position, error) // gets the outcome; nil: nobody does

	answer func(engine.Position, error) // the method value answered: to make it for each message would allocate
}

// publishSample is how many messages are counted for each that is measured: to read the clock twice
// costs as much as a tenth of publishing in the memory engine.
const publishSample = 16

// begin counts a message.
func (p *publishing) begin() {
	if p.hub.published.all.Add(1)%publishSample == 0 {
		p.began = p.hub.now()
	}
}

// counted counts the engine's answer.
func (p *publishing) counted(err error) {
	if p.began != 0 {
		p.hub.published.took.Observe(time.Duration(p.hub.now() - p.began))
	}
	if err != nil && err != engine.ErrRepeated && err != engine.ErrKeyReused {
		p.hub.published.failed.Add(1)
	}
}

// publisher is the kind of a publisher. Clients get other errors than the server API.
type publisher uint8

const (
	byOutside publisher = iota
	bySession
	byPlain
)

var publishings sync.Pool

func (h *Hub) newPublishing(by publisher) *publishing {
	p, ok := publishings.Get().(*publishing)
	if !ok {
		p = new(publishing)
		p.answer = p.answered
	}
	p.hub, p.by = h, by
	return p
}

// publish passes a checked message to the engine if the flow control of the room lets it in; otherwise
// the outcome is ErrBusy. If p.room is set, it has let the message in already.
func (h *Hub) publish(room string, m engine.Message, p *publishing) {
	if err := h.CheckMoved(); err != nil {
		p.end(engine.Position{}, err)
		return
	}
	if p.room == nil {
		p.room = h.existing(room)
		if p.room != nil {
			p.size = frameSize(m)
			if !p.room.tryAcquire(p.size) {
				p.room = nil
				p.end(engine.Position{}, ErrBusy)
				return
			}
		}
	}
	if p.name = room; h.Config().FollowUp != nil && p.by != byOutside {
		p.m = m
		p.m.Data, p.m.Original = nil, nil // they may be overwritten before the engine answers
	}
	p.begin()
	h.engine.Publish(room, m, p.answer)
}

// answered is called by the engine.
func (p *publishing) answered(pos engine.Position, err error) {
	h := p.hub
	p.counted(err)
	p.end(pos, err)
	h.published.ended.Add(1) // last: see Hub.Quiesce
}

// end handles the engine's answer, or the error because of which the engine was not asked.
func (p *publishing) end(pos engine.Position, err error) {
	q := *p
	*p = publishing{answer: p.answer}
	publishings.Put(p)
	if q.room != nil {
		q.room.release(q.size)
	}
	if err != nil && q.undo != nil {
		q.undo()
	}
	if err == nil && q.by != byOutside && q.hub.Config().FollowUp != nil {
		if do := q.hub.Config().FollowUp(q.hub, q.name, pos, q.m); do != nil && !q.hub.prompt {
			q.tellAfter(do, pos)
			return
		} else if do != nil {
			q.hub.followUp(do)
		}
	}
	q.tell(pos, err)
}

// tellAfter passes the outcome on when the follow-up of the message is done. It is a function of its own
// because its closure makes p escape to the heap.
func (p publishing) tellAfter(do func(context.Context), pos engine.Position) {
	p.hub.work.Follow(work.Key{Room: p.name, Payer: p.m.Payer}, work.FollowUp{OfCall: p.call,
		Do: func() { p.hub.followUp(do) }, Then: func() { p.tell(pos, nil) }})
}

// followUp runs a follow-up. If it panics, nothing else ends: the message has been published.
func (h *Hub) followUp(do func(context.Context)) {
	defer h.server.Recovered("work that follows a message")
	do(h.work.Context())
}

// tell passes the outcome on.
func (p *publishing) tell(pos engine.Position, err error) {
	err = p.by.errorFor(err)
	switch {
	case p.s != nil:
		p.s.Published(p.id, err)
	case p.done != nil:
		p.done(pos, err)
	case err != nil && p.by == byPlain:
		p.hub.refusals.Error("a plain client's message is lost", "reason", err.Error(), "see", "the engine", "room", Clipped(p.name))
	}
}

// errorFor turns an error of the engine into one for the publisher.
func (by publisher) errorFor(err error) error {
	switch {
	case by == byOutside && err == engine.ErrRepeated:
		return nil
	case by == bySession:
		return publishError(err)
	}
	return err
}

// publishError turns an error of the engine, or of flow control, into one for the author of a message.
func publishError(err error) error {
	if err == ErrBusy {
		return wire.ErrTooManyRequests // temporary
	}
	return keyError(err)
}

// keyError turns an error of the engine about the key of a message into one for clients. That the
// message was published before is no error for them.
func keyError(err error) error {
	switch err {
	case engine.ErrRepeated:
		return nil
	case engine.ErrKeyReused:
		return wire.Explain(wire.ErrConflict, "this id was used for another message")
	}
	return err
}
