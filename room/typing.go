package room

import (
	"slices"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room/engine"
	"webim/room/wire"
)

const (
	// maxTyping is the most members of a room on a node that are told who types.
	maxTyping = 200
	// typingEvery is how often they are told, in one sweep for all who type.
	typingEvery = time.Second
	// maxTypists is how many users a sweep names at most. Nobody misses the others.
	maxTypists = 8
)

// TypingTag is the event tag of a push that tells that its author is about to say
// something. It has no offset and is not remembered.
const TypingTag = "typing"

// typists are the users who have typed in a room since its members were told last.
// Guarded by Room.mu.
type typists struct {
	next    time.Time       // members are told nothing before
	waiting []engine.Author // empty: nobody waits for next
}

// typing tells the members that somebody types: at once if they were told nothing for
// typingEvery, else together with all who do so until then. It costs what one message
// costs for each dialect, however many users type and however often.
func (r *Room) typing(who engine.Author) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.activateLocked()
	t := &r.typists
	if now := time.Now(); len(t.waiting) == 0 && !now.Before(t.next) {
		t.next = now.Add(typingEvery)
		r.tellTypingLocked(who)
		return
	}
	if len(t.waiting) == maxTypists || slices.ContainsFunc(t.waiting, func(a engine.Author) bool { return a.Client == who.Client }) {
		return
	}
	if t.waiting = append(t.waiting, who); len(t.waiting) == 1 {
		r.hub.At(t.next, r.tellTypists)
	}
}

// spokeLocked forgets that the author of a publication, who may be nobody, was typing: it
// would be told behind what the author has said by now.
func (r *Room) spokeLocked(who *engine.Author) {
	if who != nil {
		r.typists.waiting = slices.DeleteFunc(r.typists.waiting, func(a engine.Author) bool { return a.Client == who.Client })
	}
}

// tellTypists tells the members who has typed meanwhile.
func (r *Room) tellTypists() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active == nil {
		return // nobody waits any more
	}
	t := &r.typists
	for _, who := range t.waiting {
		r.tellTypingLocked(who)
	}
	*t = typists{next: time.Now().Add(typingEvery)}
}

// toldTyping is how many members are told who types.
func (r *Room) toldTyping() int {
	if n := r.Len(); n <= maxTyping {
		return n
	}
	return 0
}

// tellTypingLocked appends to the rooms' logs that somebody types. The author is told,
// too, as of its messages: what is in a log cannot be left out for one member.
func (r *Room) tellTypingLocked(who engine.Author) {
	if r.members > maxTyping {
		return
	}
	pub := &protocol.Publication{Data: []byte("{}"), Info: ClientInfo(&who), Tags: map[string]string{engine.TagEvent: TypingTag}}
	r.appendLocked(0, false, func(dialect int, dst []byte) encoded {
		if dialect == plainDialect {
			return encoded{}
		}
		b, err := wire.AppendPublication(dst, encodingOf(dialect), r.name, pub)
		if err != nil {
			return encoded{}
		}
		return framed(dialect, b)
	})
}
