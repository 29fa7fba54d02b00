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

// sizes are around each change of the length of a frame header, and up to more than a socket accepts at once.
var sizes = []int{30, 125, 126, 1000, 4096, 65535, 65536, 70000}

// burst is the number of small messages that each member sends in one write. A server that reads one frame per event loses
// most of them.
const burst = 20

// Test proves that a server has chat rooms: each member receives every message of every member of its room, including its
// own, exactly once, in one frame, unchanged, and receives no message of another room. In the Centrifuge dialect a
// publication stands for a frame. The figures of a server that skips this work have no meaning.
//
//	join ──► one message each, in every size, text and (plain only) binary ──► a burst ──► one leaves, one joins ──► once more
//
// All the time there is a member in another room, which must receive only its own messages, at the beginning and at the
// end.
type Test struct {
	URL     string
	Dialect string        // Plain or Centrifuge; empty means Plain
	Header  http.Header   // additional headers of the upgrade request
	Clients int           // number of members, at least 3; 0 means 4
	Timeout time.Duration // limit for each step; 0 means 10 s
}

// Run returns the first fault, or nil.
func (s Test) Run(ctx context.Context) error {
	if s.Clients == 0 {
		s.Clients = 4
	}
	if s.Clients < 3 {
		return option.Bad("a smoke test needs at least 3 clients, not %d", s.Clients)
	}
	if s.Timeout == 0 {
		s.Timeout = 10 * time.Second
	}
	t, err := client.ParseTarget(s.URL)
	if err != nil {
		return err
	}
	if t.TLS {
		return option.Bad("--url %s: the smoke test does not support TLS", s.URL)
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

// message is a sent message and the members that have received it.
type message struct {
	op      byte
	payload []byte
	room    string
	got     map[*member]bool
}

func (m *message) String() string {
	kind := "text"
	if m.op == ws.Binary {
		kind = "binary"
	}
	return fmt.Sprintf("a %s message of %d bytes", kind, len(m.payload))
}

// run is a running Test.
type run struct {
	Test
	config  client.Config
	target  client.Target
	readers sync.WaitGroup
	next    int // number of the last message
	dialed  int // number of members so far

	mu      sync.Mutex
	sent    map[string]*message // by the mark at the beginning of the payload
	clients []*member
	err     error         // the first error
	changed chan struct{} // signals that a field above may have changed
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
		return fmt.Errorf("after a client had left: %w", err)
	}
	if err := r.join(room); err != nil {
		return err
	}
	if err := r.confirm(outsider); err != nil {
		return err
	}
	// The last messages follow all others, so a duplicate, or a message from the other room, has arrived before them.
	ops := r.ops()
	return r.sendAll(ops[len(ops)-1], sizes[0], 1)
}

// join adds a member to the room.
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

// connect connects a member and waits until it has joined the room.
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

// confirm waits until a member receives its own message, because a server may answer the upgrade before the member has
// joined.
func (r *run) confirm(c *member) error {
	var last *message
	for deadline := time.Now().Add(r.Timeout); time.Now().Before(deadline); {
		m, frame := r.message(c.room, ws.Text, sizes[0])
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
	return fmt.Errorf("a client sent %s repeatedly for %v and never received one: does the server send each message to all clients of the room, including the sender?",
		last, r.Timeout)
}

// errMissing means that a message has not arrived yet.
var errMissing = errors.New("missing")

// sendAll lets every member send n messages at once, and waits until all members have received all of them.
func (r *run) sendAll(op byte, size, n int) error {
	var all []*message
	for _, c := range r.clients {
		var frames []byte
		for range n {
			m, frame := r.message(c.room, op, size)
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
					return fmt.Errorf("client %d did not receive %s within %v (number %d of %d sent at once)", c.name, m, r.Timeout, i+1, len(all))
				}
			}
		}
		return nil
	})
}

// message creates the next message. Its mark is text, so that a text message remains valid.
func (r *run) message(room string, op byte, size int) (*message, []byte) {
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
	m := &message{op: op, payload: payload, room: room, got: map[*member]bool{}}
	r.mu.Lock()
	r.sent[mark] = m
	r.mu.Unlock()
	return m, r.frame(room, op, payload)
}

// mark returns the beginning of message n, 15 bytes. It differs from the marks of other runs, because a member of another
// run may still be in the room.
func mark(n int) string { return fmt.Sprintf("%07d-%07d", runID, n) }

var runID = rand.IntN(1e7)

// wait calls ok with mu until it returns nil, at most for d. Then it returns the last error of ok.
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

// fail stores the first error and wakes wait.
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

// end closes all members and waits for their goroutines.
func (r *run) end() {
	r.mu.Lock()
	clients := r.clients
	r.mu.Unlock()
	for _, c := range clients {
		r.leave(c)
	}
	r.readers.Wait()
}
