package room

import (
	"time"

	"github.com/gobwas/ws"
)

// Engine gives messages their places and remembers them. The memory engine is
// one; an engine that several nodes share is another.
//
// What a Room relies on:
//
//   - Offsets of a room grow by every publication, not necessarily by one, as
//     long as its epoch lasts; each publication names its predecessor. An
//     epoch never comes back.
//   - A subscriber gets every publication made after Subscribe returned,
//     once, in the order of offsets, and none from before. Calls for one room
//     do not overlap.
//   - done is called exactly once, from any goroutine, perhaps before the
//     call returns; not before the publication has been accepted for good,
//     and with no lock held under which Deliver is called.
//   - A room's history and epoch outlive its last subscriber by the engine's
//     time to live, or members that lost their network could not recover.
//
// All methods are safe for concurrent use and do not block.
type Engine interface {
	// Publish appends a message to a room. m.Data may be reused when Publish
	// returns. done may be nil.
	Publish(room string, m Message, done func(Position, error))
	// Subscribe begins delivery of a room's publications on this node.
	Subscribe(room string, s Subscriber)
	// Unsubscribe ends it; a call under way may still come.
	Unsubscribe(room string, s Subscriber)
	// History reads what is remembered of a room behind an offset, oldest
	// first, limit publications at most (0: all).
	History(room string, since uint64, limit int, done func(History, error))
}

// Subscriber takes a room's publications; see Engine. p.Data is good until
// Deliver returns and must not be changed.
type Subscriber interface {
	Deliver(p Publication)
}

// Message is what is published: a text (UTF-8) or binary message.
type Message struct {
	Op   ws.OpCode
	Data []byte
}

// Position is a place in a room's stream of publications.
type Position struct {
	Epoch  string
	Offset uint64
}

// Publication is a message that has its place.
type Publication struct {
	Message
	Offset uint64
	Prev   uint64 // offset of the publication before it in the room; 0: none
	Time   time.Time
}

// History is what a room remembers. Publications must not be changed.
type History struct {
	Publications []Publication
	Top          Position // of the newest publication, remembered or not
}
