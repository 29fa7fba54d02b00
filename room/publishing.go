package room

import (
	"context"
	"sync"

	"webim/room/engine"
)

// A publishing is a message on its way through the engine, and what is to be done with
// the engine's answer. Each message has one, so they are used again: end, which the engine
// calls exactly once, gives it back. It is made by newPublishing, filled in by whoever
// publishes, and given to Hub.publish, or to end if the message is not published after all.
type publishing struct {
	hub  *Hub
	by   publisher
	room *Room  // whose flow control has let the message in; nil: none
	size uint64 // that it was let in with
	undo func() // takes back what slow mode has counted; nil: nothing

	name string         // of the room
	m    engine.Message // what Config.FollowUp is told; zero if nobody asks

	call *Call                        // that publishes; nil: none does
	s    Session                      // whose publish command is answered; nil: none
	id   uint32                       // of that command
	done func(engine.Position, error) // is told the outcome; nil: nobody

	answer func(engine.Position, error) // is end, as a value: making that allocates
}

// publisher says who publishes: clients are told other errors than the server API.
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
		p.answer = p.end
	}
	p.hub, p.by = h, by
	return p
}

// publish sends a message that has been checked, or tells ErrBusy. The flow control of a
// plain client's room has let it in already.
func (h *Hub) publish(room string, m engine.Message, p *publishing) {
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
	if p.name = room; h.cfg.FollowUp != nil && p.by != byOutside {
		p.m = m
		p.m.Data, p.m.Original = nil, nil // may be borrowed, and the engine may answer later
	}
	h.engine.Publish(room, m, p.answer)
}

// end does what is to be done with the engine's answer.
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
	if err == nil && q.by != byOutside && q.hub.cfg.FollowUp != nil {
		if follow := q.hub.cfg.FollowUp(q.hub, q.name, pos, q.m); follow != nil && !q.hub.prompt {
			q.followed(pos, follow)
			return
		} else if follow != nil {
			q.hub.runFollowUp(follow)
		}
	}
	q.tell(pos, err)
}

// followed tells the outcome when the work that follows the message is done. It is a function of its
// own because its closure takes p to the heap.
func (p publishing) followed(pos engine.Position, follow func(context.Context)) {
	p.hub.followUp(p.name, followUp{p.m.Payer, p.call != nil, follow, func() { p.tell(pos, nil) }})
}

// tell tells the outcome to whoever waits for it.
func (p *publishing) tell(pos engine.Position, err error) {
	err = p.by.told(err)
	if p.s != nil {
		p.s.Published(p.id, err)
	} else if p.done != nil {
		p.done(pos, err)
	}
}

// told is an error of the engine's as the publisher is told it.
func (by publisher) told(err error) error {
	switch {
	case by == byOutside && err == engine.ErrRepeated:
		return nil
	case by == bySession:
		return publishError(err)
	}
	return err
}
