package room

import (
	"errors"
	"fmt"

	"webim/netpoll"
	"webim/netpoll/snapshot"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/encode"
)

// A hub moves to another process together with its connections, in a live upgrade. The server and the engine move, too.
//
//	old process                                  new process
//	Server.Hold, Quiesce, Held.Freeze
//	Export                           ──────►     Restore: the rooms with their positions, and no members
//	for each connection: Export      ──────►     for each: Adopt, which gives it its slots
//	ExportStayed                     ──────►     Resume: the rooms are subscribed at the engine
//	Moved, Held.Release                          Thaw, Held.Thaw
//
// No member gets a message twice or not at all: when a room is written down, all its members have been offered
// everything up to its position, and the engine of the new process goes on behind that position. Nobody is told that
// the members have joined or left. Only a connection that stays behind leaves, as any client that is gone: the new
// process tells that after Config.LeaveDelay.

// Export writes down everything that the hub knows besides its connections. The server and the engine are frozen.
func (h *Hub) Export(e *snapshot.Encoder) {
	h.stayed = nil
	for _, r := range h.Rooms() {
		e.Message(1, r.export)
	}
	e.Message(2, h.meter.Export)
	e.Message(3, h.slow.Export)
	if h.Config().Revoked != nil {
		e.Message(4, h.Config().Revoked.Export)
	}
	e.Message(5, h.leaveDelays.Export)
	e.Uint(6, 1+h.control.LastErasure())
}

func (r *Room) export(e *snapshot.Encoder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.String(1, r.name)
	e.String(2, r.payer.String())
	e.String(3, r.top.Epoch)
	e.Uint(4, r.top.Offset)
	if r.active != nil && r.notices != nil {
		e.Message(5, func(e *snapshot.Encoder) { r.notices.Export(e, r.hub.now()) })
	}
}

// Stays notes that a membership of a connection ends with this process. A dialect calls it for each membership that the
// room has told others of, in netpoll.Mover.Stay.
func (h *Hub) Stays(room string, who engine.Author) {
	h.stayed = append(h.stayed, membership{room, who})
}

// ExportStayed writes down the memberships that end with this process, after the server was exported.
func (h *Hub) ExportStayed(e *snapshot.Encoder) {
	for _, m := range h.stayed {
		e.Message(1, func(e *snapshot.Encoder) {
			e.String(1, m.room)
			e.Message(2, m.who.Encode)
		})
	}
}

// Moved ends the hub's part in the rooms, because another process has taken over. The connections that have stayed are told to
// come again with each command that they send, until the server closes them. The engine is released. The caller then
// releases the server, shuts it down, and calls Stop.
func (h *Hub) Moved() {
	h.moved.Store(true)
	h.stayed = nil
	h.work.Cancel()
	if e, ok := h.engine.(engine.Movable); ok {
		e.Release()
	}
}

// Restore reads what Export has written down, after Start and before the server adopts connections.
func (h *Hub) Restore(state []byte) error {
	h.adopting.Store(true)
	_, h.frozen = h.engine.(engine.Movable) // it was imported
	d := snapshot.Decode(state)
	for field := d.Next(); field != 0; field = d.Next() {
		var err error
		switch field {
		case 1:
			err = h.restoreRoom(d.Message())
		case 2:
			err = h.meter.Import(d.Message())
		case 3:
			err = h.slow.Import(d.Message())
		case 4:
			if h.Config().Revoked != nil {
				err = h.Config().Revoked.Import(d.Message())
			}
		case 5:
			err = h.leaveDelays.Import(d.Message())
		case 6:
			h.control.Moved(d.Uint() - 1)
		}
		if err != nil {
			d.Fail(err)
		}
	}
	if d.Err() != nil {
		return fmt.Errorf("room: the state of a hub: %w", d.Err())
	}
	return nil
}

// restoreRoom makes a room that has no members yet, and is not subscribed.
func (h *Hub) restoreRoom(d *snapshot.Decoder) error {
	var name string
	var payer budget.Owner
	var top engine.Position
	var queue *noticeQueue
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			name = d.String()
		case 2:
			payer = budget.ParseOwner(d.String())
		case 3:
			top.Epoch = d.String()
		case 4:
			top.Offset = d.Uint()
		case 5:
			queue = &noticeQueue{}
			if err := queue.Import(d.Message(), h.now()); err != nil {
				d.Fail(err)
			}
		}
	}
	if d.Err() != nil {
		return d.Err()
	}
	if name == "" || h.existing(name) != nil {
		return fmt.Errorf("the room %q is there twice, or has no name", Clipped(name))
	}
	h.mu.Lock()
	r := h.addRoomLocked(name, payer)
	h.mu.Unlock()
	if countsInMaxRooms(name) {
		h.roomPool.Add(payer, 1) // even above Config.MaxRooms
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.top = top
	if queue != nil {
		r.activateLocked()
		r.notices = queue
		r.scheduleNoticesLocked()
	}
	return nil
}

// Adopt makes a connection without a session a member of its room again, in netpoll.Mover.Adopt.
func (h *Hub) Adopt(name string, c netpoll.Conn) error {
	m, err := h.AdoptMember(name, c, kindOf(encode.Plain, c.Variant(), false))
	if err == nil && !c.SetTag(m.Slot.tag(m.Room.num)) {
		err = ErrClosed
	}
	return err
}

// AdoptMember makes a connection a member of a room again. It is owed the messages behind the position that the room
// had in the other process. Nobody is told, and no limit counts.
func (h *Hub) AdoptMember(name string, c netpoll.Conn, k Kind) (Member, error) {
	r := h.existing(name)
	if r == nil || !h.adopting.Load() {
		return Member{}, errors.New("room: a member of a room that is not there")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members++
	return Member{r, c, k, r.takeSlotLocked(c, k)}, nil
}

// Resume subscribes the rooms at the engine, from their positions, when all connections are adopted. A room without members
// ends. stayed is what ExportStayed has written down.
func (h *Hub) Resume(stayed []byte) error {
	if err := h.resumeStayed(stayed); err != nil {
		return err
	}
	for _, r := range h.Rooms() {
		h.resumeRoom(r)
	}
	h.adopting.Store(false)
	return nil
}

// resumeStayed begins the leave delays of the members that have stayed behind.
func (h *Hub) resumeStayed(stayed []byte) error {
	d := snapshot.Decode(stayed)
	for field := d.Next(); field != 0; field = d.Next() {
		if field != 1 {
			continue
		}
		m, err := decodeMembership(d.Message())
		if err != nil {
			d.Fail(err)
		} else {
			h.Notify(m.room, engine.Notice{Left: true, Who: m.who})
		}
	}
	if d.Err() != nil {
		return fmt.Errorf("room: the members that have stayed: %w", d.Err())
	}
	return nil
}

func decodeMembership(d *snapshot.Decoder) (m membership, err error) {
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			m.room = d.String()
		case 2:
			if m.who, err = engine.DecodeAuthor(d.Message()); err != nil {
				d.Fail(err)
			}
		}
	}
	if m.room == "" || m.who.Client == "" {
		d.Fail(errors.New("a member without a name or a room"))
	}
	return m, d.Err()
}

// resumeRoom subscribes a room, or ends it.
func (h *Hub) resumeRoom(r *Room) {
	r.mu.Lock()
	members, top := r.members, r.top
	r.mu.Unlock()
	resumer, can := h.engine.(engine.Resumer)
	switch {
	case members == 0:
		h.removeIfEmpty(r) // it is not subscribed
	case can && top.Epoch != "":
		resumer.Resume(r.name, r.payer, r, top)
	default:
		h.engine.Subscribe(r.name, r.payer, r)
	}
}
