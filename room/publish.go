package room

import (
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/wire"
)

// Publish sends a message to a room from the outside: no rights are judged.
// m.Payer, if there is one, pays for what goes out, and is not refused for that.
// done, which may be nil, gets its place or an error: ErrBusy if the message
// does not fit below MaxUnswept, or members wait for that, ErrBadMessage, ErrKeyReused, or what is wrong
// with the room's name. m.Data may be reused when Publish returns. A nil m.Keep
// is what the room's options say. It may be called from any goroutine, and so
// may done.
//
// m.Key is one of all who publish with keys to that room: whose it is must be a
// part of it, or one sender would get another's answer.
func (h *Hub) Publish(room string, m engine.Message, done func(engine.Position, error)) {
	p := h.newPublishing(byOutside)
	p.done = done
	room, err := wire.RoomName(room)
	if err != nil {
		p.end(engine.Position{}, err)
		return
	}
	if m.Op == engine.OpJSON && h.cfg.options(room).Binary {
		m.Op = ws.OpBinary // JSON is bytes, too
	}
	switch {
	case m.Op == engine.OpJSON:
		data, err := wire.Data(false, m.Data)
		if err != nil {
			p.end(engine.Position{}, ErrBadMessage)
			return
		}
		m.Data = data
	case m.Op != ws.OpBinary && (m.Op != ws.OpText || !utf8.Valid(m.Data)):
		p.end(engine.Position{}, ErrBadMessage)
		return
	}
	if err := h.checkSize(h.cfg.options(room), m); err != nil {
		p.end(engine.Position{}, err)
		return
	}
	if r := h.existing(room); r != nil && m.Payer != (budget.Owner{}) {
		h.meter.ChargeOwner(m.Payer, ClassFanout, sentSize(&m, room)*r.Len())
	}
	if m.Keep == nil && h.cfg.Options != nil {
		m.Keep = &h.cfg.options(room).History
	}
	h.publish(room, m, p)
}

// Published is what became of one message of a broadcast.
type Published struct {
	Position engine.Position
	Err      error
}

// Broadcast publishes a message to several rooms. done gets what became of it
// in each, in their order; see Publish.
func (h *Hub) Broadcast(rooms []string, m engine.Message, done func([]Published)) {
	var mu sync.Mutex
	all, left := make([]Published, len(rooms)), len(rooms)
	if left == 0 {
		done(all)
	}
	for i, room := range rooms {
		h.Publish(room, m, func(pos engine.Position, err error) {
			mu.Lock()
			all[i] = Published{pos, err}
			left--
			last := left == 0
			mu.Unlock()
			if last {
				done(all)
			}
		})
	}
}

// JSON returns the data of a publication as JSON: a plain client's text T is {"text":T}. It returns
// false if the data are bytes. The result is valid as long as the publication is.
func JSON(p *engine.Publication) (data []byte, ok bool) {
	pub, ok := encode.Protocol(p, wire.JSON)
	if !ok {
		return nil, false
	}
	return pub.Data, true
}
