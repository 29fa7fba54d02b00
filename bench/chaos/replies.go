package chaos

import (
	"errors"
	"slices"
	"strings"

	"webim/bench/audit"
)

// The methods here handle replies and pushes of the server, on the goroutine that reads the connection.

// errRefused ends a connection after its connect command was refused.
var errRefused = errors.New("the server refuses the connection")

// The texts of the error 100 that promise that nothing was stored.
var notStored = []string{"cannot reach its store", "store is full"}

// reply handles a reply or a push.
func (m *member) reply(r *reply) error {
	if r.ID == 0 && r.Push == nil {
		return m.conn.text([]byte("{}")) // a ping
	}
	m.mu.Lock()
	c, known := m.waiting[r.ID]
	delete(m.waiting, r.ID)
	ready := false
	switch {
	case r.Push != nil:
		m.push(r)
	case !known:
	case c.message != nil:
		m.answered(r, c.message)
	case r.Error != nil && c.room == "":
		m.mu.Unlock()
		return errRefused
	case r.Error != nil: // a room that cannot be joined or read now
		ready = c.kind == audit.Joined
	case r.Connect != nil:
		ready = true
	case r.Subscribe != nil:
		m.joined(c.room, c.asked, r.Subscribe)
	case r.History != nil:
		seen := r.History.seen()
		slices.Reverse(seen)
		m.note(audit.Event{Kind: audit.Read, Room: c.room, Epoch: r.History.Epoch, Offset: r.History.Offset, Seen: seen})
	}
	again := r.Push != nil && r.Push.Unsubscribe != nil
	m.mu.Unlock()
	switch {
	case again:
		return m.join(r.Push.Channel)
	case ready && c.room != "":
		return errRefused // and try another node
	case ready:
		for _, room := range m.rooms {
			if err := m.join(room); err != nil {
				return err
			}
		}
	}
	return nil
}

// join asks to join a room, and to recover the missed publications.
func (m *member) join(room string) error {
	m.mu.Lock()
	at, known := m.at[room]
	m.mu.Unlock()
	params := map[string]any{"channel": room}
	if known {
		params["recover"], params["epoch"], params["offset"] = true, at.epoch, at.offset
	}
	return m.command("subscribe", params, command{kind: audit.Joined, room: room, asked: known})
}

// joined handles the reply to joining a room. m.mu is held.
func (m *member) joined(room string, asked bool, h *history) {
	at := position{h.Epoch, h.Offset}
	if n := len(h.Publications); n > 0 {
		at.offset = max(at.offset, h.Publications[n-1].Offset) // the offset in the reply is of before the missed publications
	}
	m.in[room], m.at[room] = true, at
	m.note(audit.Event{Kind: audit.Joined, Room: room, Asked: asked, Recovered: h.Recovered, Epoch: h.Epoch, Offset: h.Offset, Seen: h.seen()})
}

// push handles a push. m.mu is held.
func (m *member) push(r *reply) {
	room := r.Push.Channel
	switch {
	case r.Push.Pub != nil && r.Push.Pub.Offset > 0:
		at := m.at[room]
		at.offset = r.Push.Pub.Offset
		m.at[room] = at
		m.note(audit.Event{Kind: audit.Received, Room: room, Epoch: at.epoch, Offset: at.offset, ID: r.Push.Pub.id()})
	case r.Push.Unsubscribe != nil:
		delete(m.in, room)
		m.note(audit.Event{Kind: audit.Left, Room: room})
	}
}

// answered handles the reply to a message. m.mu is held.
func (m *member) answered(r *reply, one *message) {
	switch {
	case r.Error == nil && r.RPC != nil:
		m.note(audit.Event{Kind: audit.Acked, Room: one.room, ID: one.id, Epoch: r.RPC.Data.Epoch, Offset: r.RPC.Data.Offset})
	case r.Error == nil:
		m.note(audit.Event{Kind: audit.Acked, Room: one.room, ID: one.id})
	case r.Error.Code == 100 && !slices.ContainsFunc(notStored, func(s string) bool { return strings.Contains(r.Error.Message, s) }):
		m.unknown(one)
	default:
		m.note(audit.Event{Kind: audit.Refused, Room: one.room, ID: one.id})
		if one.key && r.Error.Code == 100 {
			m.again = append(m.again, one)
		}
	}
}

// plainText handles a message in the plain dialect.
func (m *member) plainText(text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note(audit.Event{Kind: audit.Received, Room: m.rooms[0], ID: string(text)})
	return nil
}
