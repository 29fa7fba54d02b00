package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"webim/bench/audit"
)

// member is a client. It connects to a node, joins its rooms, sends, reads, moves to another node after some seconds, and
// connects again whenever it loses its connection. It records everything.
type member struct {
	l     *lab
	rng   *rand.Rand // of the goroutine that runs the member
	token string
	rooms []string
	rate  float64 // messages per second

	mu      sync.Mutex
	record  audit.Client
	node    int
	conn    *conn
	at      map[string]position // by room
	in      map[string]bool     // rooms in which the member is now
	waiting map[uint32]command  // commands without a reply
	again   []*message          // messages with an id that have to be sent again
	count   int                 // of messages
}

// position is the place up to which a member has seen a room.
type position struct {
	epoch  string
	offset uint64
}

// command is a command that waits for its reply.
type command struct {
	kind    audit.Kind // of the event that the reply becomes
	room    string
	message *message
	asked   bool // the command asks to recover
}

// message is a message of a member.
type message struct {
	id, room string
	key      bool // sent with its id by the call send, so it may be sent again
	until    time.Duration
}

// A message with an id is sent again for this long after it was sent first. The store knows an id for a minute, and the last
// repetition may be on its way to the store for the rest of it.
const repeatFor = 20 * time.Second

// note records an event. m.mu is held.
func (m *member) note(e audit.Event) {
	e.At, e.Node = m.l.now(), m.node
	m.record.Events = append(m.record.Events, e)
}

// run runs the member until ctx ends.
func (m *member) run(ctx context.Context) {
	for ctx.Err() == nil {
		m.mu.Lock()
		m.node = m.rng.IntN(nodes)
		addr, _ := m.l.nodes[m.node].where()
		m.mu.Unlock()
		if addr != "" {
			if m.record.Plain {
				m.connect(ctx, addr, m.rooms[0])
			} else {
				m.connect(ctx, addr, "")
			}
		}
		m.pause(ctx, 50*time.Millisecond, 500*time.Millisecond)
	}
}

// pause waits for a random time.
func (m *member) pause(ctx context.Context, from, to time.Duration) {
	select {
	case <-time.After(from + time.Duration(m.rng.Int64N(int64(to-from)))):
	case <-ctx.Done():
	}
}

// connect opens a connection and uses it until it ends, or until the member moves.
func (m *member) connect(ctx context.Context, addr, room string) {
	c, err := dial(ctx, addr, m.token, room)
	if err != nil {
		return
	}
	m.mu.Lock()
	m.conn, m.waiting = c, map[uint32]command{}
	m.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if m.record.Plain {
			_ = c.read(m.plainText)
		} else {
			_ = c.read(func(text []byte) error { return replies(text, m.reply) })
		}
	}()
	if m.record.Plain {
		m.mu.Lock()
		m.in[room] = true
		m.note(audit.Event{Kind: audit.Joined, Room: room})
		m.mu.Unlock()
	} else {
		_ = m.command("connect", map[string]any{"token": m.token}, command{kind: audit.Joined})
	}
	m.work(ctx, ended)
	_ = c.raw.Close()
	<-ended
	m.left()
}

// work sends and reads until the connection has ended, ctx ends, or the member moves to another node.
func (m *member) work(ctx context.Context, ended <-chan struct{}) {
	move := time.After(5*time.Second + time.Duration(m.rng.Int64N(int64(20*time.Second))))
	for {
		wait := time.Duration(m.rng.ExpFloat64() / m.rate * float64(time.Second))
		select {
		case <-time.After(min(wait, 10*time.Second)):
			switch {
			case !m.l.sending():
			case m.record.Plain:
				m.sendPlain()
			case m.rng.IntN(10) == 0:
				m.read()
			default:
				m.send()
			}
			m.sendAgain()
		case <-move:
			if m.l.sending() {
				return
			}
		case <-ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

// command sends a command, and notes that its reply is expected.
func (m *member) command(method string, params any, c command) error {
	m.mu.Lock()
	conn := m.conn
	m.mu.Unlock()
	return conn.command(method, params, func(id uint32) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.waiting[id] = c
		switch {
		case c.message != nil:
			m.note(audit.Event{Kind: audit.Sent, Room: c.room, ID: c.message.id})
		case c.kind == audit.Read:
			m.note(audit.Event{Kind: audit.Asked, Room: c.room})
		}
	})
}

// send sends a new message, half of them with an id.
func (m *member) send() {
	room := m.rooms[m.rng.IntN(len(m.rooms))]
	m.mu.Lock()
	in := m.in[room]
	m.count++
	one := &message{id: fmt.Sprint(m.record.Name, "-", m.count), room: room, key: m.rng.IntN(2) == 0, until: m.l.now() + repeatFor}
	m.mu.Unlock()
	if in {
		m.sendMessage(one)
	}
}

func (m *member) sendMessage(one *message) {
	c := command{kind: audit.Acked, room: one.room, message: one}
	data := map[string]string{"text": one.id}
	if one.key {
		_ = m.command("rpc", map[string]any{"method": "send", "data": map[string]any{"room": one.room, "id": one.id, "data": data}}, c)
		return
	}
	_ = m.command("publish", map[string]any{"channel": one.room, "data": data}, c)
}

// sendAgain repeats the messages with an id, if their outcome is not known.
func (m *member) sendAgain() {
	m.mu.Lock()
	var all []*message
	m.again = slices.DeleteFunc(m.again, func(one *message) bool {
		ready := m.in[one.room]
		if ready && one.until > m.l.now() {
			all = append(all, one)
		}
		return ready
	})
	m.mu.Unlock()
	for _, one := range all {
		m.sendMessage(one)
	}
}

// sendPlain sends a message in the plain dialect. The member never learns its outcome.
func (m *member) sendPlain() {
	m.mu.Lock()
	m.count++
	id := fmt.Sprint(m.record.Name, "-", m.count)
	m.note(audit.Event{Kind: audit.Sent, Room: m.rooms[0], ID: id})
	conn := m.conn
	m.mu.Unlock()
	_ = conn.text([]byte(id))
}

// read asks for the newest publications of a room.
func (m *member) read() {
	room := m.rooms[m.rng.IntN(len(m.rooms))]
	m.mu.Lock()
	in := m.in[room]
	m.mu.Unlock()
	if in {
		_ = m.command("history", map[string]any{"channel": room, "limit": 1 + m.rng.IntN(20), "reverse": true}, command{kind: audit.Read, room: room})
	}
}

// left records that the connection has ended.
func (m *member) left() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.waiting {
		if c.message != nil {
			m.unknown(c.message)
		}
	}
	for _, room := range m.rooms {
		if m.in[room] {
			m.note(audit.Event{Kind: audit.Left, Room: room})
		}
	}
	m.waiting, m.in = map[uint32]command{}, map[string]bool{}
}

// unknown records that the outcome of a message is not known. m.mu is held.
func (m *member) unknown(one *message) {
	m.note(audit.Event{Kind: audit.Unknown, Room: one.room, ID: one.id})
	if one.key {
		m.again = append(m.again, one)
	}
}
