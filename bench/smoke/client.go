package smoke

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"webim/bench/client"
	"webim/bench/ws"
)

// member is a client of the smoke test. It has a goroutine and blocking reads, because there are few members.
type member struct {
	conn net.Conn
	r    *bufio.Reader
	name int
	room string

	leaving bool // guarded by run.mu: its end is not an error any more
}

// leave closes a member properly, without waiting for the answer.
func (r *run) leave(c *member) {
	r.mu.Lock()
	c.leaving = true
	rest := make([]*member, 0, len(r.clients))
	for _, other := range r.clients {
		if other != c {
			rest = append(rest, other)
		}
	}
	r.clients = rest
	r.mu.Unlock()
	_ = r.write(c, ws.AppendFrame(nil, ws.Close, []byte{0x03, 0xe8}, &mask)) // the member leaves in any case
	_ = c.conn.Close()                                                       // likewise
}

func (r *run) write(c *member, b []byte) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(r.Timeout)) // if it fails, the write fails
	if _, err := c.conn.Write(b); err != nil {
		return fmt.Errorf("client %d: %w", c.name, err)
	}
	return nil
}

// dial connects and upgrades a member, and joins the room.
func (r *run) dial(room string) (*member, error) {
	conn, err := net.DialTimeout("tcp", r.target.Addr.String(), r.Timeout)
	if err != nil {
		return nil, err
	}
	h := client.NewHandshake(r.target.URL.Host, r.config)
	_ = conn.SetDeadline(time.Now().Add(r.Timeout)) // if it fails, the handshake fails
	if _, err := conn.Write(h.Request(r.config.Endpoint(r.target, room))); err != nil {
		conn.Close()
		return nil, err
	}
	br := bufio.NewReader(conn)
	var answer []byte
	for n := 0; n == 0; {
		b, err := br.ReadByte()
		if err == nil {
			answer = append(answer, b)
			n, err = h.Check(answer)
		}
		if err != nil {
			conn.Close()
			return nil, fmt.Errorf("the upgrade: %w", err)
		}
	}
	if br, err = r.subscribe(conn, br, room); err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return &member{conn: conn, r: br}, nil
}

// read checks the frames that a member receives, until the member leaves.
func (r *run) read(c *member) {
	for {
		h, payload, err := c.frame()
		r.mu.Lock()
		if c.leaving {
			r.mu.Unlock()
			return
		}
		if err == nil {
			err = r.takeLocked(c, h, payload)
		}
		r.mu.Unlock()
		if err == nil && h.Op == ws.Ping {
			err = r.write(c, ws.AppendFrame(nil, ws.Pong, payload, &mask))
		}
		if err != nil {
			r.fail(fmt.Errorf("client %d: %w", c.name, err))
			return
		}
		r.wake()
	}
}

// frame reads one frame.
func (c *member) frame() (ws.Header, []byte, error) {
	head := make([]byte, 2, 14)
	if _, err := io.ReadFull(c.r, head); err != nil {
		return ws.Header{}, nil, err
	}
	head = head[:ws.HeaderSize(head)]
	if _, err := io.ReadFull(c.r, head[2:]); err != nil {
		return ws.Header{}, nil, err
	}
	h, err := ws.ParseHeader(head)
	if err == nil && h.Masked {
		err = ws.ErrMasking
	}
	if err == nil && h.Length > 1<<20 {
		err = fmt.Errorf("received a frame of %d bytes, which nobody sent", h.Length)
	}
	if err != nil {
		return h, nil, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(c.r, payload)
	return h, payload, err
}

// takeLocked checks a received frame against the sent messages. Call it with mu.
func (r *run) takeLocked(c *member, h ws.Header, payload []byte) error {
	switch {
	case h.Op == ws.Close:
		return errors.New("the server closed the connection")
	case h.Control():
		return nil
	case !h.Fin || h.Op == ws.Continuation:
		return fmt.Errorf("received a message in several frames (one of %d bytes): each message must be one frame, because the figures count frames", len(payload))
	}
	m := r.sent[string(payload[:min(len(payload), len(mark(0)))])]
	switch {
	case m == nil:
		return fmt.Errorf("received %d bytes that nobody sent: does the server send a greeting, or is another client in the room?", len(payload))
	case m.room != c.room:
		return fmt.Errorf("received %s of %s in the room %s: the rooms are not separate", m, m.room, c.room)
	case h.Op != m.op:
		return fmt.Errorf("received %s with opcode %d", m, h.Op)
	case string(payload) != string(m.payload):
		return fmt.Errorf("received %s with other contents: %d bytes", m, len(payload))
	case m.got[c]:
		return fmt.Errorf("received %s twice", m)
	}
	m.got[c] = true
	return nil
}
