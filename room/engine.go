package room

import (
	"time"

	"github.com/gobwas/ws"

	"webim/room/budget"
)

// Engine gives messages their places and remembers them. The memory engine is
// one; an engine that several nodes share is another.
//
// What a Room relies on:
//
//   - Offsets of a room grow by every publication, not necessarily by one, as
//     long as its epoch lasts; each publication names its predecessor. An
//     epoch never comes back.
//   - A subscriber is told once, with Begun, where its publications begin: it
//     gets every one behind that position, once, in the order of offsets.
//     Those made after Subscribe returned are among them. An engine that has
//     lost some calls Begun again, and goes on from there. Calls for one room
//     do not overlap.
//   - done is called exactly once, from any goroutine, perhaps before the
//     call returns; not before the publication has been accepted for good,
//     and with no lock held under which Deliver is called.
//   - Members and Count ask every subscriber, on every node, who is there, or how
//     many: a user who is on two nodes is one.
//   - A message with a key is published once within the engine's window: again,
//     it gets the first one's place and ErrRepeated, and nobody is told a second
//     time. Known, on any node, knows it before done is called.
//   - An order reaches every node that is enlisted then, once.
//   - An engine whose room for histories or keys is used up forgets first what the
//     payer with the largest share made it keep (budget.Pool.Largest), the oldest
//     first; only if no payer stands out, the oldest of all.
//   - An event (Message.CompactKey) that is remembered is forgotten when another one
//     with its key comes: it is superseded. Events have a quota of their own, so that
//     they never make the engine forget a message. The first publication behind an
//     event that was forgotten without being superseded still names it as its
//     predecessor, so that members can tell that they missed it.
//   - A room's history and epoch outlive its last subscriber by the engine's
//     time to live, or members that lost their network could not recover.
//
// All methods are safe for concurrent use and do not block.
type Engine interface {
	State
	// Publish appends a message to a room. m.Data may be reused when Publish
	// returns. done may be nil.
	Publish(room string, m Message, done func(Position, error))
	// Known tells what Publish would say of a message with a key without
	// publishing it: ErrRepeated with the first one's place, ErrKeyReused, or no
	// error if the key is not known. Nothing but the message's content is looked at.
	Known(room string, m Message, done func(Position, error))
	// Subscribe begins delivery of a room's publications on this node. If the room
	// is not known yet, the payer pays for what it remembers from now on.
	Subscribe(room string, payer budget.Owner, s Subscriber)
	// Unsubscribe ends it; a call under way may still come.
	Unsubscribe(room string, s Subscriber)
	// History reads a part of what is remembered of a room. What it costs is
	// bounded by what it answers, not by what is remembered.
	History(room string, part Span, done func(History, error))
	// Notify tells a room's subscribers that somebody came or went, or types.
	// That has no place and is not remembered.
	Notify(room string, n Notice)
	// Members gathers who is in a room, on all nodes, or tells ErrTooManyMembers if
	// more than limit are there. Nodes count before they list.
	Members(room string, limit int, done func([]Author, error))
	// Count counts the connections in a room, and the users that they are, on all
	// nodes; all who are anonymous are one.
	Count(room string, done func(clients, users int, err error))
	// RemoveHistory forgets what is remembered of a room and begins a new
	// epoch, of which subscribers are told with Begun; offsets go on. Of a room
	// that is not known nothing is made.
	RemoveHistory(room string, done func(error))
	// Redact takes the data from publications that are remembered, and leaves
	// their places, authors and times: see Publication.Redacted. Nobody is told.
	Redact(room string, offsets []uint64, done func(error))
	// Enlist makes a node one that orders and surveys reach.
	Enlist(n Node)
	// Dismiss ends that; a call under way may still come.
	Dismiss(n Node)
	// Order brings an order to every node. The error says what a node, or the
	// way to it, had against it; others may have obeyed.
	Order(o Order, done func(error))
	// Survey asks every node what it holds.
	Survey(q Question, done func([]Census, error))
}

// Node is a hub as the engine knows it. None of its methods may block.
type Node interface {
	// Ordered obeys an order, as far as it concerns this node.
	Ordered(o Order) error
	// Surveyed answers a question.
	Surveyed(q Question) Census
}

// Subscriber takes what happens in a room on a node; see Engine. None of its
// methods may block.
type Subscriber interface {
	// Begun tells where the publications to come begin.
	Begun(at Position)
	// Deliver brings a publication; p.Data is good until it returns and must
	// not be changed.
	Deliver(p Publication)
	// Noticed brings a notice.
	Noticed(n Notice)
	// Present lists and counts the room's members on this node; if they are more than
	// limit it only counts them.
	Present(limit int) (all []Author, clients int)
	// Count counts the room's members on this node. named, if it is not nil, is
	// called with each of their users once; "": who is anonymous.
	Count(named func(user string)) (clients, users int)
}

// OpJSON marks a message's data as one JSON value that passed wire.Data: what
// the centrifuge dialect publishes, but in rooms that are marked binary, where
// it publishes ws.OpBinary as plain clients do.
const OpJSON ws.OpCode = 0x10

// Message is what is published.
type Message struct {
	Op   ws.OpCode // ws.OpText (UTF-8) or ws.OpBinary, as a plain client says it, or OpJSON
	Data []byte
	From *Author           // nil: nobody that can be told
	Tags map[string]string // of the server only; clients cannot set them
	Keep *Retention        // nil: what the engine keeps by default

	// Payer pays for what the engine keeps because of the message: its key, and the
	// room if that is not known yet; with Hub.Publish for what goes out, too. The zero
	// value is the server.
	Payer budget.Owner

	// Key, if there is one, makes sending it again harmless: within the
	// engine's window a message of the room with the same key and the same
	// content is the same message, and one with other content ErrKeyReused.
	// Whose keys they are is a part of them: see Hub.Publish.
	Key string
	// Said is what the sender said, if somebody else had a word in what is
	// published: it is what keys compare then, instead of Data and Skip.
	Said []byte
	// CompactKey marks an event, which says how something is now and not what
	// somebody said: of the events of a room with the same key the last one says all.
	// See Engine for how they are remembered. "" is a message.
	CompactKey string
	// Skip keeps the message out of the history. Its place stays there for a while, so that
	// members can still tell whether they missed another.
	Skip bool

	// by is the connection of which a callback publishes the message; 0: none. If the engine
	// delivers it meanwhile, the same worker sweeps a small room, see shard.wakeLocked.
	Origin uint64
}

// Retention is how much a room remembers: so many messages, and apart from them as
// many events and bytes again.
type Retention struct {
	Messages int           // at most; 0: none
	Bytes    int           // of these
	Age      time.Duration // of each
}

// Author is a connection as others see it. It must not be changed.
type Author struct {
	User     string // "" is anonymous
	Client   string // unique among connections
	ConnInfo []byte // JSON that the connection's token brought, or nil
	ChanInfo []byte // JSON that the subscription's token brought, or nil
}

// Notice is a member that came or went, or one that types.
type Notice struct {
	Left   bool
	Typing bool
	Who    Author
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
	// Prev is the offset of the publication before it in the room; 0: none. In a
	// history it passes over events that a later one has superseded.
	Prev uint64
	Time time.Time
}

// Tags of publications that have a meaning here; see package chat for all.
const (
	TagEvent    = "event"    // what it is, if not a message
	TagOf       = "of"       // the offset of the publication that it is about
	tagRedacted = "redacted" // its data was taken back

	EventEdit = "edit" // says what the publication it is about says from now on
)

// Redacted reports whether the publication's data was taken back: it is {} now,
// and of its tags only those are left that say what event it was, and of what.
func (p Publication) Redacted() bool { return p.Tags[tagRedacted] != "" }

func (p Publication) Redact() Publication {
	tags := map[string]string{tagRedacted: "true"}
	for _, name := range []string{TagEvent, TagOf} {
		if v, ok := p.Tags[name]; ok {
			tags[name] = v
		}
	}
	p.Message = Message{Op: OpJSON, Data: []byte("{}"), From: p.From, Tags: tags, CompactKey: p.CompactKey}
	return p
}

// Span is a part of a room's history: all of it that lies between two offsets, or
// so many publications from one end.
type Span struct {
	Behind uint64 // this offset, which is not of it
	Before uint64 // nor is this one; 0: up to the newest
	Limit  int    // publications at most; 0: none, only the top; negative: all
	Newest bool   // from the newest on, in that order; else from the oldest
	Bytes  int    // publications may count so many bytes, see sizeOf; 0: no bound. The first is always there
	Places bool   // what is not in the history (see Message.Skip) has a place there all the same
}

// History is what a room remembers. Publications must not be changed. They are what was
// published, but for what is the engine's and the sender's only: Keep, Payer, Key and Said.
type History struct {
	Publications []Publication
	Top          Position // of the newest publication, remembered or not
}

// Size returns how many bytes an author takes in a publication.
func (a *Author) Size() int { return len(a.User) + len(a.Client) + len(a.ConnInfo) + len(a.ChanInfo) }

// Expirer is an engine that does not remove expired data by itself.
type Expirer interface{ Expire() }
