package room

import (
	"slices"
	"time"

	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/policy"
)

const (
	// maxTyping is the largest number of members of a room on a node that are told that a user
	// types.
	maxTyping = 200
	// typingEvery is the time between two notices that users type. One sweep has those of all
	// users.
	typingEvery = time.Second
	// maxTypists is the largest number of users that are named at a time. The others are left
	// out.
	maxTypists = 8
)

// TypingTag is the event tag of a push which says that its author is typing. It has no offset and
// is not in the history.
const TypingTag = "typing"

// handleTyping tells the members that a user types: at once if they were told nothing for
// typingEvery, otherwise at the end of that time, together with the other users. However many
// users type and however often, that costs one sweep in typingEvery.
func (r *Room) handleTyping(who engine.Author) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.activateLocked()
	t := &r.typists
	if now := time.Now(); len(t.waiting) == 0 && !now.Before(t.next) {
		t.next = now.Add(typingEvery)
		r.sendTypingLocked(who)
		return
	}
	if len(t.waiting) == maxTypists || slices.ContainsFunc(t.waiting, func(a engine.Author) bool { return a.Client == who.Client }) {
		return
	}
	if t.waiting = append(t.waiting, who); len(t.waiting) == 1 {
		r.hub.At(t.next, r.sendWaitingTyping)
	}
}

// stopTypingLocked removes the author of a publication, if it has one, from the waiting users:
// the notice would come after the message that the author was typing.
func (r *Room) stopTypingLocked(who *engine.Author) {
	if who != nil {
		r.typists.waiting = slices.DeleteFunc(r.typists.waiting, func(a engine.Author) bool { return a.Client == who.Client })
	}
}

// sendWaitingTyping tells the members which users have typed in the meantime.
func (r *Room) sendWaitingTyping() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active == nil {
		return // the room became idle, so no user waits
	}
	t := &r.typists
	for _, who := range t.waiting {
		r.sendTypingLocked(who)
	}
	*t = typists{next: time.Now().Add(typingEvery)}
}

// Typing tells the other members of a room that a session is typing, or returns an error for the client.
// The session pays as for a message, also if others type at the same time. Otherwise a user could, for
// nothing, make each of many rooms write to its members.
func (h *Hub) Typing(s Session, room string) error {
	who := s.AuthorIn("")
	if r := h.existing(room); r != nil {
		if err := h.meter.Spend(s.Account(), policy.ClassFanout, (policy.PushSize+len(room)+who.Size())*r.typingReceivers()); err != nil {
			return err
		}
	}
	h.engine.Notify(room, engine.Notice{Typing: true, Who: who})
	return nil
}

// typingReceivers returns how many members are told that a user types.
func (r *Room) typingReceivers() int {
	if n := r.Len(); n <= maxTyping {
		return n
	}
	return 0
}

// sendTypingLocked appends a notice that a user types to the logs of the room. The author gets
// it, too, as with messages: a log cannot leave out a member.
func (r *Room) sendTypingLocked(who engine.Author) {
	if r.members > maxTyping {
		return
	}
	r.appendLocked(0, false, func(d encode.Dialect, dst []byte) encode.Message {
		return encode.Event(TypingTag, who, r.name, d, dst)
	})
}
