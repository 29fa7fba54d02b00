package room

import (
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/policy"
	"webim/room/wire"
)

// Publish publishes a message in a room without a check of rights. If m.Payer is set, it is charged
// for the bytes that go out to members, but the message is not refused because of that. A nil m.Keep
// stands for the retention in the options of the room. m.Data may be reused when Publish returns.
//
// done gets the position of the message or an error, and may be nil. The errors: ErrBusy if the
// message exceeds Config.MaxUnswept together with the unswept bytes of the room, or if members already
// wait for that; ErrBadMessage; engine.ErrKeyReused; or an invalid name of the room. Any goroutine may
// call Publish, and any goroutine may call done.
//
// All publishers in a room share the keys of messages. So m.Key must contain the identity of its
// sender, or one sender would get the answer of another.
func (h *Hub) Publish(room string, m engine.Message, done func(engine.Position, error)) {
	p := h.newPublishing(byOutside)
	p.done = done
	room, err := wire.RoomName(room)
	if err != nil {
		p.end(engine.Position{}, err)
		return
	}
	if m.Op == engine.OpJSON && h.Options(room).Binary {
		m.Op = ws.OpBinary // JSON is sent as bytes there
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
	if err := h.Options(room).CheckSize(&m, h.Config().MaxPublication); err != nil {
		p.end(engine.Position{}, err)
		return
	}
	if r := h.existing(room); r != nil && m.Payer != (budget.Owner{}) {
		h.meter.ChargeOwner(m.Payer, policy.ClassFanout, policy.SentSize(&m, room)*r.Len())
	}
	if m.Keep == nil {
		m.Keep = h.Keep(room)
	}
	h.publish(room, m, p)
}

// Published is the outcome of a broadcast in one room.
type Published struct {
	Position engine.Position
	Err      error
}

// Broadcast publishes a message in several rooms, as Publish does. done gets the outcomes in the order
// of the rooms.
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

// eventErase is the event with which a room tells its members that a user was erased.
const eventErase = "erase"

// Erased implements engine.Subscriber. The room gets one event, although each of its nodes publishes it:
// all use the same key.
func (r *Room) Erased(user string, at time.Time) {
	r.hub.Post(func() {
		r.hub.Publish(r.name, engine.Message{
			Op: engine.OpJSON, Data: []byte("{}"), Tags: map[string]string{engine.TagEvent: eventErase, "user": user},
			CompactKey: eventErase + " " + user, Key: eventErase + " " + strconv.FormatInt(at.UnixNano(), 10) + " " + user,
		}, func(_ engine.Position, err error) {
			if err != nil && err != engine.ErrRepeated {
				r.hub.refusals.Warn("the members of a room do not learn that a user was erased", "room", r.name, "user", user, "err", err)
			}
		})
	})
}
