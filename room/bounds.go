package room

import "cmp"

// Bounds are the sizes above which a message of a caller is refused in a room, for a
// client that says so before it sends. 0: no bound.
type Bounds struct {
	Text       int // bytes of the text, as UTF-8
	Characters int // graphemes of the text
	// Message is the bound of the data's bytes, as JSON, together with the names and
	// values of the tags. What is told of the caller beside them is subtracted already.
	Message int
}

// commandOverhead is the room that a command needs around its data: its names, an id
// and the name of a room.
const commandOverhead = 1 << 10

// Bounds tells what the caller may send to a room.
func (c *Call) Bounds(room string) (b Bounds) {
	h, opts := c.Hub, c.Hub.cfg.options(room)
	if !opts.Binary {
		b.Text, b.Characters = max(0, h.cfg.Text.Bytes), max(0, h.cfg.Text.Graphemes)
	}
	author := c.s.AuthorIn("")
	if most := cmp.Or(opts.MaxPublication, h.cfg.MaxPublication); most >= 0 {
		b.Message = max(1, most-author.Size())
	}
	if most := h.cfg.MaxIncoming; most > 0 {
		most = max(1, most-commandOverhead)
		b.Message = min(cmp.Or(b.Message, most), most)
	}
	return b
}
