package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"webim/bench/client"
	"webim/bench/ws"
)

var (
	errSpent = errors.New("the attacker has sent all bytes that it may send")
	errOver  = errors.New("the attack is over")
)

// attacker is a running attack. It counts the attack's cost and limits it. It is safe for concurrent use.
type attacker struct {
	ctx    context.Context // ends with the window
	target client.Dialer
	o      Options
	room   string // a path
	start  time.Time

	sent, received, dialed, turns atomic.Int64
	skip                          atomic.Pointer[string] // why the attack does not apply to this server

	mu   sync.Mutex // guards the fields below
	live map[*conn]bool
	most int
	said map[string]int // refusals and failures of the server, by their text
	over bool

	readers sync.WaitGroup
}

func newAttacker(ctx context.Context, target client.Dialer, o Options) *attacker {
	return &attacker{ctx: ctx, target: target, o: o, room: "/" + strings.TrimPrefix(o.Room, "/"), start: time.Now(), live: map[*conn]bool{}, said: map[string]int{}}
}

// conn is one of the attacker's connections.
type conn struct {
	*client.Raw
	a          *attacker
	compressed bool // permessage-deflate was agreed on
}

// run executes an attack and closes the connections that the attack left open.
func (a *attacker) run(attack Attack) {
	attack.run(a)
	<-a.ctx.Done() // connections that are only held open are a part of the attack
	a.close()
}

// watch arranges that the end of the window ends all reads and writes.
func (a *attacker) watch() (stop func() bool) { return context.AfterFunc(a.ctx, a.close) }

func (a *attacker) close() {
	a.mu.Lock()
	a.over = true
	open := slices.Collect(maps.Keys(a.live))
	a.mu.Unlock()
	for _, c := range open {
		c.drop()
	}
	a.readers.Wait()
}

// dialRate limits the connections per second of an attacker, after the first Options.Connections. More would only use the attacker's CPU,
// on the server's machine.
const dialRate = 1000

// dial opens a connection for client i.
func (a *attacker) dial(i int) (*conn, error) {
	if a.ctx.Err() != nil {
		return nil, errOver
	}
	due := a.start.Add(time.Duration(a.turns.Add(1)-int64(a.o.Connections)) * time.Second / dialRate)
	if wait := time.Until(due); wait > 0 && a.pause(wait) != nil {
		return nil, errOver
	}
	raw, err := a.target.Dial(a.ctx, 200+i%a.o.Addresses)
	if err != nil {
		return nil, a.refused(err)
	}
	a.dialed.Add(1)
	c := &conn{Raw: raw, a: a}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		raw.Reset()
		return nil, errOver
	}
	a.live[c] = true
	a.most = max(a.most, len(a.live))
	return c, nil
}

// open opens a WebSocket to the attacker's room.
func (a *attacker) open(i int) (*conn, error) { return a.upgrade(i, false) }

// openCompressed opens a WebSocket and offers permessage-deflate.
func (a *attacker) openCompressed(i int) (*conn, error) { return a.upgrade(i, true) }

func (a *attacker) upgrade(i int, compress bool) (c *conn, err error) {
	if c, err = a.dial(i); err != nil {
		return nil, err
	}
	a.sent.Add(int64(len(a.target.Request(a.room, compress))))
	if c.compressed, err = a.target.Upgrade(c.Raw, a.room, compress); err != nil {
		c.drop()
		return nil, a.refused(err)
	}
	return c, nil
}

// join opens a WebSocket in the room; in the Centrifuge dialect it connects and subscribes.
func (a *attacker) join(i int) (*conn, error) {
	c, err := a.open(i)
	if err != nil || !a.target.Centrifuge() {
		return c, err
	}
	if err := c.command(a.target.Connect(1), subscribe(2, a.channel())); err != nil {
		return nil, err
	}
	return c, nil
}

func (a *attacker) channel() string { return strings.TrimPrefix(a.room, "/") }

func subscribe(id int, channel string) []byte {
	name, _ := json.Marshal(channel)
	return fmt.Appendf(nil, `{"id":%d,"subscribe":{"channel":%s}}`, id, name)
}

// refused records how the server refused or ended a connection, and returns err.
func (a *attacker) refused(err error) error {
	if err == nil || a.ctx.Err() != nil || errors.Is(err, errSpent) || errors.Is(err, net.ErrClosed) {
		return err
	}
	text := err.Error()
	var no syscall.Errno
	if errors.As(err, &no) {
		text = no.Error() // without the addresses, which differ for each connection
	}
	a.mu.Lock()
	if _, known := a.said[text]; known || len(a.said) < 20 {
		a.said[text]++
	}
	a.mu.Unlock()
	return err
}

// skipped records that the attack does not apply to the server.
func (a *attacker) skipped(why string) { a.skip.CompareAndSwap(nil, &why) }

// each runs do on Options.Connections goroutines, and returns when all have returned.
func (a *attacker) each(do func(i int)) {
	var all sync.WaitGroup
	for i := range a.o.Connections {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// connecting opens connections again and again, on Options.Connections goroutines. It calls do with each connection of client i, and closes
// the connection when do has returned.
func (a *attacker) connecting(open func(i int) (*conn, error), do func(i int, c *conn) error) {
	a.each(func(i int) {
		a.again(func() error {
			c, err := open(i)
			if err != nil {
				return err
			}
			defer c.drop()
			return do(i, c)
		})
	})
}

// again calls do until the window ends or the bytes are used up. It pauses after a failure, so that it does not flood a server that
// refuses.
func (a *attacker) again(do func() error) {
	for {
		err := do()
		if errors.Is(err, errSpent) || errors.Is(err, errOver) || err != nil && a.pause(100*time.Millisecond) != nil || a.ctx.Err() != nil {
			return
		}
	}
}

// pause waits for d, or returns an error when the window ends.
func (a *attacker) pause(d time.Duration) error {
	select {
	case <-a.ctx.Done():
		return errOver
	case <-time.After(d):
		return nil
	}
}

// pace waits until n more bytes may be sent.
func (a *attacker) pace(n int) error {
	total := a.sent.Add(int64(n))
	if total > a.o.Bytes {
		a.sent.Add(-int64(n))
		return errSpent
	}
	due := a.start.Add(time.Duration(float64(a.o.Window) * 0.9 * float64(total) / float64(a.o.Bytes)))
	if wait := time.Until(due); wait > time.Millisecond {
		return a.pause(wait)
	}
	return nil
}

// Write sends b at the attacker's rate.
func (c *conn) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		part := b[:min(len(b), 64<<10)]
		if err := c.a.pace(len(part)); err != nil {
			return n, err
		}
		k, err := c.Raw.Write(part)
		n += k
		if err != nil {
			c.drop()
			return n, c.a.refused(err)
		}
		b = b[len(part):]
	}
	return n, nil
}

// command sends lines of the Centrifuge protocol in one message.
func (c *conn) command(lines ...[]byte) error {
	_, err := c.Write(ws.AppendRaw(nil, ws.FIN|ws.Text, slices.Concat(joined(lines)...)))
	return err
}

// joined puts a line end between lines.
func joined(lines [][]byte) (all [][]byte) {
	for i, l := range lines {
		if i > 0 {
			all = append(all, []byte{'\n'})
		}
		all = append(all, l)
	}
	return all
}

// drain discards the server's output, on a goroutine that ends with the connection.
func (c *conn) drain() { c.listen(nil) }

// listen calls f with each message and control frame, on a goroutine that ends with the connection. It records the code of a Close frame,
// and then ends.
func (c *conn) listen(f func(ws.Event)) {
	c.a.readers.Go(func() {
		defer c.drop()
		buf := make([]byte, 8<<10)
		closed := false
		for !closed {
			n, err := c.Events(buf, func(ev ws.Event) {
				if closed = closed || ev.Op == ws.Close; ev.Op == ws.Close && len(ev.Payload) >= 2 {
					_ = c.a.refused(fmt.Errorf("closed with %d %s", int(ev.Payload[0])<<8|int(ev.Payload[1]), ev.Payload[2:]))
				}
				if f != nil {
					f(ev)
				}
			})
			c.a.received.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
}

// drop closes the connection by RST, so that no port stays in TIME_WAIT.
func (c *conn) drop() {
	c.Reset()
	c.a.mu.Lock()
	delete(c.a.live, c)
	c.a.mu.Unlock()
}
