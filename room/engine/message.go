package engine

import (
	"time"

	"github.com/gobwas/ws"

	"webim/room/budget"
)

// OpJSON marks the data of a message as one JSON value that has passed wire.Data. The
// centrifuge dialect publishes such messages, except in rooms that are marked binary, where it
// publishes ws.OpBinary, as plain clients do.
const OpJSON ws.OpCode = 0x10

// Message is the content that a caller publishes.
type Message struct {
	Op   ws.OpCode // ws.OpText (UTF-8) or ws.OpBinary, as from a plain client, or OpJSON
	Data []byte
	From *Author           // nil: the author is unknown
	Tags map[string]string // set by the server only; clients cannot set them
	Keep *Retention        // nil: the engine's default

	// Payer pays for the data that the engine keeps because of the message: its key, and the
	// room if the engine does not know it yet. With Hub.Publish it also pays for the bytes
	// that go out to members. The zero value is the server.
	Payer budget.Owner

	// Key, if not empty, makes it harmless to send the message again. Within the engine's
	// window, a message of the room with the same key and the same content is the same
	// message; a message with the same key and other content gets ErrKeyReused. The key
	// includes its sender: see Hub.Publish.
	Key string
	// Original is the content as the sender sent it, if the server has changed the content before
	// publishing it. Then keys compare Original instead of Data and Skip.
	Original []byte
	// CompactKey, if not empty, marks an event. An event says how something is now; of the
	// events of a room with the same CompactKey, the last one is enough. See Log for how long
	// events are kept. If it is empty, this is a message that somebody has sent.
	CompactKey string
	// Skip keeps the message out of the history. Its offset stays there for a while, so that
	// members can still detect whether they missed another message.
	Skip bool

	// Origin is a number that the publisher chooses and that Subscriber.Deliver gets, if the
	// engine calls it on the publisher's node before Publish returns; otherwise 0. The
	// history does not keep it.
	Origin uint64
}

// Author is a connection as others see it. It must not be changed.
type Author struct {
	User     string // "" is anonymous
	Client   string // unique among connections
	ConnInfo []byte // JSON from the connection's token, or nil
	ChanInfo []byte // JSON from the subscription's token, or nil
}

// Size returns how many bytes an author takes in a publication.
func (a *Author) Size() int { return len(a.User) + len(a.Client) + len(a.ConnInfo) + len(a.ChanInfo) }

// Notice says that a member has joined, has left, or is typing.
type Notice struct {
	Left   bool
	Typing bool
	Who    Author
}

// Position is a place in a room's log.
type Position struct {
	Epoch  string
	Offset uint64
}

// Publication is a message that has its offset.
type Publication struct {
	Message
	Offset uint64
	// Prev is the offset of the publication before it in the room; 0 means that there is none.
	// In a history, Prev skips superseded events.
	Prev uint64
	Time time.Time
}

// Tags that have a meaning in every package; package chat has the full list.
const (
	TagEvent = "event" // the kind of an event; absent for a message
	TagOf    = "of"    // the offset of the publication that the event is about

	tagRedacted = "redacted" // the data was removed

	EventEdit = "edit" // contains the new content of the publication that it is about
)

// Redacted reports whether the data of the publication was removed. Then the data is {}, and
// only the tags are left that say which event it was, and about which publication.
func (p Publication) Redacted() bool { return p.Tags[tagRedacted] != "" }

// Redact returns the publication without its data; see Redacted. Engines use it.
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

// PartCost is the cost of a kept publication, and of each of its parts, besides their bytes.
const PartCost = 96

// Cost returns the cost of a publication in a history, in bytes: see Span.Bytes.
func Cost(p *Publication) int {
	n := PartCost + len(p.Data)
	if p.From != nil {
		n += PartCost + len(p.From.User) + len(p.From.ConnInfo) + len(p.From.ChanInfo)
	}
	for k, v := range p.Tags {
		n += PartCost + len(k) + len(v)
	}
	if p.CompactKey != "" {
		n += PartCost + len(p.CompactKey)
	}
	return n
}
