package engine

import (
	"time"

	"webim/room/budget"
)

// Engine stores messages and state, and connects nodes. All methods are safe for concurrent
// use and do not block. A callback named done is called exactly once, from any goroutine,
// perhaps before the method returns, and with no lock held under which the engine calls a
// Subscriber, a Node or a watcher.
type Engine interface {
	Log
	State
	Control
}

// Log gives messages their offsets, keeps them, and delivers them.
//
//   - The offsets of a room grow with every publication, not necessarily by one, while its epoch
//     lasts. Each publication names its predecessor. An epoch is never used again.
//   - Subscriber.Begin is called once after Subscribe, perhaps before Subscribe returns and perhaps
//     much later, with the position at which the publications begin. The subscriber gets every
//     publication after that position once, in the order of offsets, on whatever node it was made.
//     If the engine has lost some, it calls Begin again and continues from there. Calls for one
//     room do not overlap. What is published on the subscriber's node after Subscribe has returned
//     comes after that position.
//   - The engine calls the done of Publish only after it has accepted the publication for good. Then
//     History on this node has it; other nodes have it a moment later. Subscribers may get the
//     publication before done or after it.
//   - A message with a Key is published once within the engine's window. If it is published
//     again, done gets the position of the first and ErrRepeated, and nobody gets it a second
//     time. Known, on any node, knows the key before done is called.
//   - If the space for histories or keys is used up, the engine first forgets data of the payer
//     with the largest share (budget.Pool.Largest), the oldest first. Only if no payer stands
//     out, it forgets the oldest data of all.
//   - The engine forgets an event when another event with the same CompactKey comes: the event
//     is superseded. Events have a quota of their own, so that they never make the engine forget
//     a message. If an event was forgotten without being superseded, the next publication still
//     names it as its predecessor, so that members can detect the loss.
//   - The history and the epoch of a room outlive its last subscriber by the engine's time to
//     live. Otherwise members that lost their network could not recover.
type Log interface {
	// Publish appends a message to the log of a room. The caller may reuse m.Data when
	// Publish has returned. done may be nil.
	Publish(room string, m Message, done func(Position, error))
	// Known reports the result that Publish would have for a message with a Key, without
	// publishing it: ErrRepeated with the position of the first one, ErrKeyReused, or no error
	// if the engine does not know the key. It compares only the content of the message.
	Known(room string, m Message, done func(Position, error))
	// Subscribe begins the delivery of a room's publications to s. If the engine does not
	// know the room yet, payer pays for the data that the engine keeps of it from now on.
	Subscribe(room string, payer budget.Owner, s Subscriber)
	// Unsubscribe ends the delivery. A call that has already begun may still arrive.
	Unsubscribe(room string, s Subscriber)
	// History reads a part of a room's history. Its cost depends on the size of the answer,
	// not on the size of the history.
	History(room string, part Span, done func(History, error))
	// RemoveHistory forgets the history of a room and begins a new epoch, which subscribers
	// learn by Begin. Offsets continue. If the engine does not know the room, nothing is made.
	RemoveHistory(room string, done func(error))
	// Redact removes the data from publications in the history, and leaves their offsets,
	// authors and times: see Publication.Redacted. Subscribers get no call.
	Redact(room string, offsets []uint64, done func(error))
}

// Subscriber receives the publications and notices of a room on a node; see Log and Control.
// None of its methods may block.
type Subscriber interface {
	// Begin is called with the position at which the publications to come begin.
	Begin(at Position)
	// Deliver brings a publication. p.Data is valid until Deliver returns and must not be
	// changed.
	Deliver(p Publication)
	// Notify brings a notice.
	Notify(n Notice)
	// Erased says that a user was erased at a time, and that the room's publications in memory had
	// something of the user. Members that have seen it may still show it. Several nodes may find the
	// same.
	Erased(user string, at time.Time)
	// Members lists and counts the room's members on this node. If there are more than limit,
	// it only counts them.
	Members(limit int) (all []Author, clients int)
	// Count counts the room's members on this node. If named is not nil, Count calls it once
	// for each of their users; "" stands for all anonymous members.
	Count(named func(user string)) (clients, users int)
}

// Prompt is implemented by an engine that lives in this process and calls each done before its
// method returns. Then whoever waits for it may be a worker: to hand a call to a goroutine costs
// more than most calls.
type Prompt interface{ Prompt() }

// Pacer is an engine that spends less on each message if it stores several together.
type Pacer interface {
	// Pace sets a function that tells how long the engine gathers messages after it has stored some. It is called
	// before the first Publish.
	Pace(pause func() time.Duration)
}

// Expirer is an engine that does not remove expired data by itself. A hub calls Expire about
// once a second.
type Expirer interface {
	Expire()
}

// Resizer is an engine that can change how many bytes of messages it keeps in memory.
type Resizer interface {
	// Resize changes the maximum. If there are more, the engine forgets some: a durable one reads them again when they are
	// asked for. It may be called from any goroutine.
	Resize(bytes int64)
}

// Measured is an engine that knows its size.
type Measured interface {
	Stats() Stats
}

// Stats is the size of an engine on this node.
type Stats struct {
	Topics  int   // rooms that it has in memory
	Bytes   int64 // cost of what it has of them in memory
	State   int64 // cost of the entries of the State, see Entry.Cost
	Pending int64 // bytes of messages with a Publish under way

	KeysLost int64 // messages since the start whose Key the engine could not keep for the whole window, or not over a restart
}

// Healther is an engine with a store that may fail.
type Healther interface {
	// Health reports whether the store can be used. If it cannot, why is a sentence for operators, which
	// may contain addresses.
	Health() (ok bool, why string)
}
