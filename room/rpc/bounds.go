package rpc

import (
	"cmp"

	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
)

// Bounds are the limits for a message of a caller in a room. A client can so tell its user before it
// sends the message. 0 means no limit.
type Bounds struct {
	Text       int // bytes of the text, as UTF-8
	Characters int // graphemes of the text
	// Message limits the bytes of the data, as JSON, together with the names and values of the tags.
	// The size of the caller's author is subtracted already.
	Message int
}

// commandOverhead is the size of a command besides its data: names, an id, and the name of a room.
const commandOverhead = 1 << 10

// Bounds returns the limits for a message of the caller in a room.
func (c *Call) Bounds(room string) (b Bounds) {
	h, opts := c.Hub, c.Hub.Options(room)
	if !opts.Binary {
		b.Text, b.Characters = max(0, h.Config().Text.Bytes), max(0, h.Config().Text.Graphemes)
	}
	author := c.s.AuthorIn("")
	if most := cmp.Or(opts.MaxPublication, h.Config().MaxPublication); most >= 0 {
		b.Message = max(1, most-author.Size())
	}
	if most := h.Config().MaxIncoming; most > 0 {
		most = max(1, most-commandOverhead)
		b.Message = min(cmp.Or(b.Message, most), most)
	}
	return b
}

// HasRead charges the caller for entries of the State that the call has read.
func (c *Call) HasRead(entries int) {
	c.spent += c.Hub.Meter().ChargeEntries(c.s.Account(), entries)
}

// Presence is Hub.Presence; the caller pays for the members that are read.
func (c *Call) Presence(room string) ([]engine.Author, error) {
	all, err := wait(c, func(done func([]engine.Author, error)) { c.Hub.Presence(room, done) })
	c.spent += c.Hub.Meter().ChargePresence(c.s.Account(), all)
	return all, err
}

// History reads the history of a room; the caller pays for the publications that are read.
func (c *Call) History(room string, q room.HistoryQuery) (engine.History, error) {
	q.Payer = c.Payer()
	h, err := wait(c, func(done func(engine.History, error)) { c.Hub.History(room, q, done) })
	c.spent += c.Hub.Meter().ChargeHistory(c.s.Account(), h)
	return h, err
}

// Spent reports whether the call has read as much as a reply may carry, or whether the caller has a debt
// for reading. A call that reads in many rooms then stops. The client makes another call for the rest,
// and that call is judged anew.
func (c *Call) Spent() bool {
	return c.spent >= c.Hub.Config().MaxReply || c.Hub.Meter().Debt(c.s.Account(), policy.ClassRecovered) > 0
}
