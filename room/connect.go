package room

import (
	"strings"
	"sync"
	"time"

	"webim/netpoll"
	"webim/room/wire"
)

// chooseEncoding chooses the first subprotocol of the dialect that the client
// asks for; JSON is also spoken with none.
func chooseEncoding(r *netpoll.Request) {
	for p := range strings.SplitSeq(r.Header("Sec-WebSocket-Protocol"), ",") {
		if p = strings.TrimSpace(p); p == wire.SubprotocolJSON || p == wire.SubprotocolProtobuf {
			r.SetSubprotocol(p)
			return
		}
	}
}

// openSession makes the session of a connection that is to connect.
func (h *Hub) openSession(c netpoll.Conn, r *netpoll.Request) {
	enc := wire.JSON
	if r.Subprotocol() == wire.SubprotocolProtobuf {
		enc = wire.Protobuf
	}
	s := newSession(h, c, enc)
	c.SetData(s)
	h.silent.add(s, time.Now().Add(h.cfg.ConnectTimeout))
}

// startHeartbeats makes the pings of the dialect: SDKs know no others, and
// measure time by them.
func (h *Hub) startHeartbeats(s *netpoll.Server) {
	if h.cfg.PingInterval < 0 {
		return
	}
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		e := framed(dialectOf(enc), wire.AppendPing(nil, enc))
		frame, err := netpoll.NewFrame(e.op, e.data)
		if err == nil {
			h.beats[enc], err = s.NewHeartbeat(netpoll.Heartbeat{Frame: frame, Interval: h.cfg.PingInterval, Timeout: max(0, h.cfg.PongTimeout),
				Code: wireStatus(wire.DisconnectNoPong), Reason: wire.DisconnectNoPong.Text()})
		}
		if err != nil {
			panic(err) // only a wrong Config leads here
		}
	}
}

// silent are the sessions that have not connected yet, the oldest first: each
// for the same time, so that the first is the first that is due.
type silent struct {
	mu    sync.Mutex
	queue []quiet
}

type quiet struct {
	s   *session
	due time.Time
}

func (q *silent) add(s *session, due time.Time) {
	q.mu.Lock()
	q.queue = append(q.queue, quiet{s, due})
	q.mu.Unlock()
}

// look closes who is due and still silent.
func (q *silent) look() {
	now := time.Now()
	q.mu.Lock()
	n := 0
	for n < len(q.queue) && !q.queue[n].due.After(now) {
		n++
	}
	due := q.queue[:n:n]
	if q.queue = q.queue[n:]; len(q.queue) == 0 {
		q.queue = nil
	}
	q.mu.Unlock()
	for _, one := range due {
		if !one.s.connected.Load() {
			one.s.disconnect(wire.DisconnectStale)
		}
	}
}

// errands are what a lock at hand forbids to do now: a turn does it soon, in
// order.
type errands struct {
	turn  *netpoll.Turn
	mu    sync.Mutex
	queue []func()
}

// soon has f run by a worker, with no lock held.
func (h *Hub) soon(f func()) {
	e := &h.errands
	e.mu.Lock()
	e.queue = append(e.queue, f)
	e.mu.Unlock()
	e.turn.Wake()
}

func (e *errands) run() (more bool) {
	e.mu.Lock()
	queue := e.queue
	e.queue = nil
	e.mu.Unlock()
	for _, f := range queue {
		f()
	}
	return false
}

// notify tells a room, on all nodes, that somebody came or went.
func (h *Hub) notify(room string, n Notice) {
	h.soon(func() { h.engine.Notify(room, n) })
}
