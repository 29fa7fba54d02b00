package chat

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// found is the result of looking for a message in a room's history.
type found struct {
	message engine.Publication
	after   []engine.Publication
	gone    bool // the message is deleted
	lost    bool // the room has forgotten the message, but not an edit of it
	epoch   string
}

// find looks for a message that exists and is not deleted; otherwise the error is ErrNoMessage.
func find(h *room.Hub, name string, offset uint64, done func(*found, error)) {
	search(h, name, offset, func(f *found, err error) {
		if err == nil && (f == nil || f.gone || f.lost) {
			err = wire.ErrNoMessage
		}
		done(f, err)
	})
}

// standing looks for a message that exists and is not deleted, and returns the room's epoch;
// otherwise the error is ErrNoMessage. It reads only the message and no events after it, so it may
// miss a deletion that is not finished yet.
func standing(h *room.Hub, name string, offset uint64, done func(epoch string, err error)) {
	if offset == 0 {
		done("", wire.ErrNoMessage)
		return
	}
	h.Engine().History(name, engine.Span{Behind: offset - 1, Limit: 1}, func(got engine.History, err error) {
		if err == nil && (len(got.Publications) == 0 || got.Publications[0].Offset != offset || !isMessage(got.Publications[0]) || got.Publications[0].Redacted()) {
			err = wire.ErrNoMessage
		}
		done(got.Top.Epoch, err)
	})
}

// search looks for a message, including deleted and forgotten ones. It finds a forgotten message by
// an edit of it. found is nil if there is none.
func search(h *room.Hub, name string, offset uint64, done func(*found, error)) {
	if offset == 0 {
		done(nil, nil)
		return
	}
	h.Engine().History(name, engine.Span{Behind: offset - 1, Limit: -1}, func(got engine.History, err error) {
		f := &found{message: engine.Publication{Offset: offset}, after: got.Publications, epoch: got.Top.Epoch}
		if len(f.after) > 0 && f.after[0].Offset == offset {
			f.message, f.after = f.after[0], f.after[1:]
			if !isMessage(f.message) {
				f = nil
			}
		} else if edit := slices.IndexFunc(f.after, func(p engine.Publication) bool { return f.has(p, engine.EventEdit) }); edit >= 0 {
			f.message.From, f.lost = f.after[edit].From, true // only the author can edit a message
		} else {
			f = nil
		}
		if err != nil || f == nil {
			done(nil, err)
			return
		}
		f.gone = f.message.Redacted() || slices.ContainsFunc(f.after, func(p engine.Publication) bool { return f.has(p, eventDelete) })
		done(f, nil)
	})
}

// isMessage reports whether a publication is a message and not an event.
func isMessage(p engine.Publication) bool { return p.Tags[engine.TagEvent] == "" && !p.Skip }

// has reports whether a publication is the given event about the message.
func (f *found) has(p engine.Publication, event string) bool {
	return p.Tags[engine.TagEvent] == event && p.Tags[engine.TagOf] == number(f.message.Offset)
}

// owns reports whether the caller is the author of the message.
func (f *found) owns(a engine.Author) bool {
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

// edit publishes the new data of a message. If the message is deleted at the same time, the edit
// may come after the deletion, and its text would stay in the history. So edit looks for the
// message again after the edit has its offset: either the deletion sees the edit, or the edit sees
// the deletion.
func (c *Chat) edit(call *room.Call, q *editRequest) {
	edit := room.Saying{Room: q.Room, Data: q.Data, Tags: map[string]string{engine.TagEvent: engine.EventEdit, engine.TagOf: number(q.Offset)}}
	own := func(then func(error)) {
		find(call.Hub, q.Room, q.Offset, func(f *found, err error) {
			if err == nil && !f.owns(call.Author()) {
				err = wire.ErrPermissionDenied
			}
			then(err)
		})
	}
	say(call, room.ActEditOwn, edit, own, func(pos engine.Position, err error) {
		if err != nil {
			call.Done(nil, err)
			return
		}
		c.confirm(call, q, pos)
	})
}

// confirm answers an edit. If the message has been deleted meanwhile, it removes the text of the
// edit.
func (c *Chat) confirm(call *room.Call, q *editRequest, pos engine.Position) {
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

// delete publishes that a message is deleted, and then removes its text and the texts of its edits
// from the history. Deleting a message twice is not an error.
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
		event := room.Saying{Room: q.Room, Data: noData, Always: true, CompactKey: "delete " + number(q.Offset), Tags: map[string]string{engine.TagEvent: eventDelete, engine.TagOf: number(q.Offset)}}
		call.Publish(event, func(_ engine.Position, err error) {
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

// redact removes the text of a deleted message, its edits and its reactions, and answers the call.
func (c *Chat) redact(call *room.Call, q *deleteRequest) {
	search(call.Hub, q.Room, q.Offset, func(f *found, err error) {
		if err != nil || f == nil { // the room has forgotten the message, and its text with it
			answer(call, empty{}, err)
			return
		}
		offsets := []uint64{q.Offset}
		for _, p := range f.after {
			if f.has(p, engine.EventEdit) {
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
