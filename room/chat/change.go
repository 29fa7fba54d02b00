package chat

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/wire"
)

// found is a message in a room's history, and what came after it.
type found struct {
	message room.Publication
	after   []room.Publication
	gone    bool // it is taken back
	lost    bool // it is forgotten, but not what it was edited to
	epoch   string
}

// find looks for a message that still stands; else the error is ErrNoMessage.
func find(h *room.Hub, name string, offset uint64, done func(*found, error)) {
	search(h, name, offset, func(f *found, err error) {
		if err == nil && (f == nil || f.gone || f.lost) {
			err = wire.ErrNoMessage
		}
		done(f, err)
	})
}

// standing looks for a message that still stands, and tells the room's epoch; else the
// error is ErrNoMessage. It reads that message only, and not what came behind it, so it
// may miss that the message is being taken back at this moment.
func standing(h *room.Hub, name string, offset uint64, done func(epoch string, err error)) {
	if offset == 0 {
		done("", wire.ErrNoMessage)
		return
	}
	h.Engine().History(name, room.Span{Behind: offset - 1, Limit: 1}, func(got room.History, err error) {
		if err == nil && (len(got.Publications) == 0 || got.Publications[0].Offset != offset || !isMessage(got.Publications[0]) || got.Publications[0].Redacted()) {
			err = wire.ErrNoMessage
		}
		done(got.Top.Epoch, err)
	})
}

// search looks for a message, be it taken back or lost; nil: there is none.
func search(h *room.Hub, name string, offset uint64, done func(*found, error)) {
	if offset == 0 {
		done(nil, nil)
		return
	}
	h.Engine().History(name, room.Span{Behind: offset - 1, Limit: -1}, func(got room.History, err error) {
		f := &found{message: room.Publication{Offset: offset}, after: got.Publications, epoch: got.Top.Epoch}
		if len(f.after) > 0 && f.after[0].Offset == offset {
			f.message, f.after = f.after[0], f.after[1:]
			if !isMessage(f.message) {
				f = nil
			}
		} else if edit := slices.IndexFunc(f.after, func(p room.Publication) bool { return f.has(p, room.EventEdit) }); edit >= 0 {
			f.message.From, f.lost = f.after[edit].From, true // nobody edits what is another's
		} else {
			f = nil
		}
		if err != nil || f == nil {
			done(nil, err)
			return
		}
		f.gone = f.message.Redacted() || slices.ContainsFunc(f.after, func(p room.Publication) bool { return f.has(p, eventDelete) })
		done(f, nil)
	})
}

// isMessage tells messages from what is done to them.
func isMessage(p room.Publication) bool { return p.Tags[room.TagEvent] == "" && !p.Skip }

// has tells whether a publication is an event about the message.
func (f *found) has(p room.Publication, event string) bool {
	return p.Tags[room.TagEvent] == event && p.Tags[room.TagOf] == number(f.message.Offset)
}

// owns tells whether the message is the caller's.
func (f *found) owns(a room.Author) bool {
	return f.message.From != nil && owner(*f.message.From) == owner(a)
}

type editRequest struct {
	inRoom
	Offset uint64         `json:"offset"`
	Data   jsontext.Value `json:"data"`
}

type editResult struct {
	Offset uint64 `json:"offset"`
}

// edit publishes what a message says from now on. It may be taken back at the
// same time: then the edit might come behind the deletion, and its text would
// stay. So the message is looked for again when the edit has its place; either
// the deletion sees the edit, or the edit the deletion.
func (c *Chat) edit(call *room.Call, q *editRequest) {
	edit := room.Saying{Room: q.Room, Data: q.Data, Tags: map[string]string{room.TagEvent: room.EventEdit, room.TagOf: number(q.Offset)}}
	own := func(then func(error)) {
		find(call.Hub, q.Room, q.Offset, func(f *found, err error) {
			if err == nil && !f.owns(call.Author()) {
				err = wire.ErrPermissionDenied
			}
			then(err)
		})
	}
	say(call, room.ActEditOwn, edit, own, func(pos room.Position, err error) {
		if err != nil {
			call.Done(nil, err)
			return
		}
		c.confirm(call, q, pos)
	})
}

// confirm answers an edit, if its message still stands.
func (c *Chat) confirm(call *room.Call, q *editRequest, pos room.Position) {
	find(call.Hub, q.Room, q.Offset, func(_ *found, err error) {
		if err == nil {
			answer(call, editResult{pos.Offset}, nil)
			return
		}
		call.Hub.Engine().Redact(q.Room, []uint64{pos.Offset}, func(error) { call.Done(nil, err) })
	})
}

type deleteRequest struct {
	inRoom
	Offset uint64 `json:"offset"`
}

// delete takes a message back: says so, and then takes its text and that of its
// edits from the history. Twice is once.
func (c *Chat) delete(call *room.Call, q *deleteRequest) {
	own := may(call, room.ActDeleteOwn, q.Room)
	if own != nil && may(call, room.ActDeleteAny, q.Room) != nil {
		call.Done(nil, own)
		return
	}
	search(call.Hub, q.Room, q.Offset, func(f *found, err error) {
		switch {
		case err == nil && f == nil:
			err = wire.ErrNoMessage
		case err == nil && f.owns(call.Author()):
			err = own
		case err == nil:
			err = may(call, room.ActDeleteAny, q.Room)
		}
		if err != nil {
			call.Done(nil, err)
			return
		}
		if f.gone {
			c.redact(call, q)
			return
		}
		event := room.Saying{Room: q.Room, Data: noData, Always: true, CompactKey: "delete " + number(q.Offset), Tags: map[string]string{room.TagEvent: eventDelete, room.TagOf: number(q.Offset)}}
		call.Publish(event, func(_ room.Position, err error) {
			if err != nil {
				call.Done(nil, err)
				return
			}
			if !f.owns(call.Author()) {
				call.Audit(room.Audit{Action: "delete", Room: q.Room, Target: number(q.Offset)})
			}
			c.redact(call, q)
		})
	})
}

// redact takes the text of a message that is taken back, and answers.
func (c *Chat) redact(call *room.Call, q *deleteRequest) {
	search(call.Hub, q.Room, q.Offset, func(f *found, err error) {
		if err != nil || f == nil { // it was forgotten, and its text with it
			answer(call, empty{}, err)
			return
		}
		offsets := []uint64{q.Offset}
		for _, p := range f.after {
			if f.has(p, room.EventEdit) {
				offsets = append(offsets, p.Offset)
			}
		}
		call.Hub.Engine().Redact(q.Room, offsets, func(err error) {
			if err != nil {
				call.Done(nil, err)
				return
			}
			clearReactions(call.State(), q.Room, f.epoch, q.Offset, func(err error) { answer(call, empty{}, err) })
		})
	})
}
