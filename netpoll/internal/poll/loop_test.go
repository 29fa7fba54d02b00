package poll

import (
	"slices"
	"sync"
	"testing"

	"webim/netpoll/wstest"

	"golang.org/x/sys/unix"
)

// conn is one end of a socket pair; a test writes to the other one.
type conn struct {
	fd, peer int
	mu       sync.Mutex
	events   Events // all that have come
	ready    bool   // in a batch, or the next one
}

// park registers a connection; input makes it ready.
func park(l *Loop[*conn], c *conn) error {
	return l.Park(c.fd, func(event Event) {
		c.mu.Lock()
		e := EventsOf(event)
		c.events |= e
		first := e&Readable != 0 && !c.ready
		c.ready = c.ready || first
		c.mu.Unlock()
		if first {
			l.Ready(c)
		}
	})
}

// take reports whether all of some events have come, and forgets them.
func (c *conn) take(events Events) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.events&events != events {
		return false
	}
	c.events = 0
	return true
}

func pair(t *testing.T) *conn {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
	return &conn{fd: fds[0], peer: fds[1]}
}

// batches collects the batches of a loop.
type batches struct {
	mu   sync.Mutex
	all  [][]*conn
	more int // how often run is called again
}

func (b *batches) run(batch []*conn) (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, slices.Clone(batch))
	for _, c := range batch {
		c.mu.Lock()
		c.ready = false
		c.mu.Unlock()
	}
	b.more--
	return b.more >= 0
}

func (b *batches) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.all)
}

func start(t *testing.T) (*Loop[*conn], *batches) {
	t.Helper()
	b := &batches{}
	l, err := New(b.run, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, b
}

// TestBatch checks that connections that become ready at once come in one batch, and that the loop
// reports each edge once.
func TestBatch(t *testing.T) {
	l, b := start(t)
	gate, open, entered := pair(t), make(chan bool), make(chan bool)
	if err := l.Watch(gate.fd, func() {
		unix.Read(gate.fd, make([]byte, 9))
		entered <- true
		<-open
	}); err != nil {
		t.Fatal(err)
	}
	all := []*conn{pair(t), pair(t), pair(t)}
	for _, c := range all {
		if err := park(l, c); err != nil {
			t.Fatal(err)
		}
	}
	unix.Write(gate.peer, []byte("x"))
	<-entered // the loop waits here, so the events gather
	for _, c := range all {
		unix.Write(c.peer, []byte("x"))
	}
	close(open)
	wstest.Eventually(t, "a batch", func() bool { return b.len() > 0 })
	b.mu.Lock()
	if len(b.all) != 1 || len(b.all[0]) != 3 {
		t.Errorf("batches: %v", b.all)
	}
	b.more = 2
	b.mu.Unlock()
	unix.Write(all[0].peer, []byte("x"))
	wstest.Eventually(t, "run is called again while it has more", func() bool { return b.len() == 4 })
}

// TestPause checks that no event comes while a loop is paused, and that all come afterwards. Connections can be parked and unparked
// meanwhile.
func TestPause(t *testing.T) {
	l, _ := start(t)
	for range 3 {
		resume := l.Pause()
		all := []*conn{pair(t), pair(t), pair(t)} // their events come behind the pause: epoll reports them in order
		for _, c := range all {
			if err := park(l, c); err != nil {
				t.Fatal(err)
			}
			unix.Write(c.peer, []byte("x"))
		}
		l.Unpark(all[2].fd)
		for _, c := range all {
			c.mu.Lock()
			if c.events != 0 {
				t.Error("an event comes while the loop is paused")
			}
			c.mu.Unlock()
		}
		resume()
		for _, c := range all[:2] {
			wstest.Eventually(t, "the events come", func() bool { return c.take(Readable | Writable) })
			l.Unpark(c.fd)
		}
	}
}

// TestEvents checks the hints for input and for the end of a stream, and that none comes after Unpark.
func TestEvents(t *testing.T) {
	l, _ := start(t)
	c := pair(t)
	if err := park(l, c); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "there is room for output", func() bool { return c.take(Writable) })
	unix.Write(c.peer, []byte("x"))
	wstest.Eventually(t, "input is noted", func() bool { return c.take(Readable) })
	unix.Shutdown(c.peer, unix.SHUT_WR)
	wstest.Eventually(t, "the end is noted", func() bool { return c.take(Readable | Hangup) })
	if err := park(l, c); err == nil {
		t.Error("a descriptor is registered twice")
	}
	l.Unpark(c.fd)
	if err := park(l, c); err != nil {
		t.Errorf("after Unpark: %v", err)
	}
}

// TestClose checks that nothing is registered after Close, and that a second Close does nothing.
func TestClose(t *testing.T) {
	l, b := start(t)
	c := pair(t)
	if err := park(l, c); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "it is parked", func() bool { return c.take(Writable) })
	l.Close()
	l.Close()
	if err := park(l, c); err == nil {
		t.Error("a closed loop takes a connection")
	}
	if c.take(Readable) || b.len() != 0 {
		t.Errorf("the end of the loop is an event of its connections: %v", b.all)
	}
}
