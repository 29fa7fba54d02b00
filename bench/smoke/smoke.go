package smoke

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/ws"
)

// sizes are around every change of a frame header's length, up to more than any socket takes at once.
var sizes = []int{30, 125, 126, 1000, 4096, 65535, 65536, 70000}

// burst is how many small messages each client sends in a single write: a server that takes one frame per event loses the others.
const burst = 20

// Test proves that a server has chat rooms: every client gets each message of every client of its room, itself included, exactly once, in one frame, as it
// was sent (in the Centrifuge dialect, a publication stands for a frame), and no message of another room. Figures of a server that skips this work count for nothing.
//
//	join ──► one message each, in every size, text and (plain only) binary ──► a burst ──► one leaves, one comes ──► once more
//
// All the while a client is in another room, which hears itself at the beginning and at the end, and nothing else.
type Test struct {
	URL     string
	Dialect string        // Plain or Centrifuge; empty: Plain
	Header  http.Header   // more headers for the upgrade
	Clients int           // 0: 4; at least 3
	Timeout time.Duration // for a step; 0: 10 s
}

// Run returns the first thing that is wrong, or nil.
func (s Test) Run(ctx context.Context) error {
	if s.Clients == 0 {
		s.Clients = 4
	}
	if s.Clients < 3 {
		return option.Bad("a smoke test needs 3 clients or more, not %d", s.Clients)
	}
	if s.Timeout == 0 {
		s.Timeout = 10 * time.Second
	}
	t, err := client.ParseTarget(s.URL)
	if err != nil {
		return err
	}
	if t.TLS {
		return option.Bad("--url %s: the smoke test does not speak TLS", s.URL)
	}
	cfg := client.Config{Header: s.Header, Dialect: s.Dialect}
	if err := cfg.CheckDialect(t); err != nil {
		return err
	}
	r := &run{Test: s, config: cfg, target: t, sent: map[string]*message{}, changed: make(chan struct{}, 1)}
	defer r.end()
	stop := context.AfterFunc(ctx, func() { r.fail(ctx.Err()) })
	defer stop()
	return r.everything()
}

// message is a message that was sent, and who has it.
type message struct {
	op      byte
	payload []byte
	room    string
	probe   bool // one of a client that may not have joined yet: it may miss others, and others it
	got     map[*member]bool
}

func (m *message) String() string {
	kind := "text"
	if m.op == ws.Binary {
		kind = "binary"
	}
	return fmt.Sprintf("a %s message of %d bytes", kind, len(m.payload))
}

// run is a Smoke under way.
type run struct {
	Test
	config  client.Config
	target  client.Target
	readers sync.WaitGroup
	next    int // the number of the last message
	dialed  int // how many clients there have been

	mu      sync.Mutex
	sent    map[string]*message // by the mark that its payload begins with
	clients []*member
	err     error         // the first
	changed chan struct{} // something above may have
}

func (r *run) everything() error {
	room := r.config.Room(r.target)
	for range r.Clients {
		if err := r.join(room); err != nil {
			return err
		}
	}
	outsider, err := r.connect(room + "-elsewhere")
	if err != nil {
		return err
	}
	defer r.leave(outsider)
	for _, size := range sizes {
		for _, op := range r.ops() {
			if err := r.sendAll(op, size, 1); err != nil {
				return err
			}
		}
	}
	if err := r.sendAll(ws.Text, sizes[0], burst); err != nil {
		return err
	}
	r.leave(r.clients[0])
	if err := r.sendAll(ws.Text, sizes[0], 1); err != nil {
		return fmt.Errorf("after one had left: %w", err)
	}
	if err := r.join(room); err != nil {
		return err
	}
	if err := r.confirm(outsider); err != nil {
		return err
	}
	// The last messages come behind all others, so what would be doubled, or come from the other room, has been by now.
	ops := r.ops()
	return r.sendAll(ops[len(ops)-1], sizes[0], 1)
}

// join adds a client to the room.
func (r *run) join(room string) error {
	c, err := r.connect(room)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.clients = append(r.clients, c)
	r.mu.Unlock()
	return nil
}

// connect connects a client that is in a room.
func (r *run) connect(room string) (*member, error) {
	c, err := r.dial(room)
	if err != nil {
		return nil, err
	}
	r.dialed++
	c.name, c.room = r.dialed, room
	r.readers.Go(func() { r.read(c) })
	if err := r.confirm(c); err != nil {
		r.leave(c)
		return nil, err
	}
	return c, nil
}

// confirm waits until a client gets what it sends: the answer to an upgrade may come before a place in the room.
func (r *run) confirm(c *member) error {
	var last *message
	for deadline := time.Now().Add(r.Timeout); time.Now().Before(deadline); {
		m, frame := r.message(c.room, ws.Text, sizes[0], true)
		last = m
		if err := r.write(c, frame); err != nil {
			return err
		}
		err := r.wait(min(100*time.Millisecond, r.Timeout), func() error {
			if !m.got[c] {
				return errMissing
			}
			return nil
		})
		if !errors.Is(err, errMissing) {
			return err
		}
	}
	return fmt.Errorf("a client sent %s again and again for %v and never got one: is this a chat room that answers everybody, the sender too?",
		last, r.Timeout)
}

// errMissing is a message that has not come yet.
var errMissing = errors.New("missing")

// sendAll lets every client send n messages at once, and waits until everybody has all.
func (r *run) sendAll(op byte, size, n int) error {
	var all []*message
	for _, c := range r.clients {
		var frames []byte
		for range n {
			m, frame := r.message(c.room, op, size, false)
			all = append(all, m)
			frames = append(frames, frame...)
		}
		if err := r.write(c, frames); err != nil {
			return err
		}
	}
	return r.wait(r.Timeout, func() error {
		for _, c := range r.clients {
			for i, m := range all {
				if !m.got[c] {
					return fmt.Errorf("client %d did not get %s within %v (number %d of %d sent at once)", c.name, m, r.Timeout, i+1, len(all))
				}
			}
		}
		return nil
	})
}

// message makes the next message. Its mark is text, so that a text message stays one.
func (r *run) message(room string, op byte, size int, probe bool) (*message, []byte) {
	r.next++
	payload := make([]byte, size)
	random := rand.New(rand.NewPCG(uint64(r.next), uint64(size)))
	for i := range payload {
		payload[i] = byte(random.Uint32())
		if op == ws.Text {
			payload[i] = ' ' + payload[i]%95
		}
	}
	mark := mark(r.next)
	copy(payload, mark)
	m := &message{op: op, payload: payload, room: room, probe: probe, got: map[*member]bool{}}
	r.mu.Lock()
	r.sent[mark] = m
	r.mu.Unlock()
	return m, r.frame(room, op, payload)
}

// mark begins message n. It is 15 bytes long, and unlike other runs': somebody may be left in the room.
func mark(n int) string { return fmt.Sprintf("%07d-%07d", runID, n) }

var runID = rand.IntN(1e7)

// wait returns when ok, called under mu, returns nil, or with its last error after d.
func (r *run) wait(d time.Duration, ok func() error) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for late := false; ; {
		r.mu.Lock()
		err := r.err
		if err == nil {
			if err = ok(); err == nil {
				r.mu.Unlock()
				return nil
			}
			if !late {
				err = nil
			}
		}
		r.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-r.changed:
		case <-timer.C:
			late = true
		}
	}
}

// fail keeps the first error, and wakes who waits.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.mu.Unlock()
	r.wake()
}

func (r *run) wake() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// end closes all clients and waits for their readers.
func (r *run) end() {
	r.mu.Lock()
	clients := r.clients
	r.mu.Unlock()
	for _, c := range clients {
		r.leave(c)
	}
	r.readers.Wait()
}
