package netpoll

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// serve runs a server whose connections come by join, and sees at the end that
// its queues hold nothing.
func serve(t testing.TB, cfg Config, h Handler) *Server {
	t.Helper()
	if cfg.PingInterval == 0 {
		cfg.PingInterval = -1
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := New(cfg, h)
	if _, err := s.Listen(Listener{Addr: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if q, n := s.queued.Load(), s.outputs.len(); q != 0 || n != 0 || s.unfinished.Load() != 0 || s.inputs.len() != 0 || s.extras.len() != 0 {
			t.Errorf("at the end %d bytes are queued in %d outputs, %d unfinished in %d inputs; %d extras", q, n, s.unfinished.Load(), s.inputs.len(), s.extras.len())
		}
	})
	return s
}

// peerEnd is the client's end of a connection.
type peerEnd struct {
	net.Conn
	br     *bufio.Reader
	answer int // length of the answer to the upgrade
}

// join opens a connection over a socketpair with a send buffer of so many
// bytes (0: the kernel's default).
func join(t testing.TB, s *Server, sendBuffer int) (Conn, *peerEnd) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if sendBuffer > 0 {
		if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer); err != nil {
			t.Fatal(err)
		}
	}
	f := os.NewFile(uintptr(fds[1]), "client")
	nc, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	s.admit(s.listeners()[0], fds[0], netip.Addr{}, 0, nil)
	end := &peerEnd{Conn: nc, br: bufio.NewReaderSize(nc, 64<<10)}
	end.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(end, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	var answer bytes.Buffer
	r, err := http.ReadResponse(bufio.NewReader(io.TeeReader(oneByte{end.br}, &answer)), nil)
	if err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %v, %v", r, err)
	}
	end.answer = answer.Len()
	for c := range s.Conns() {
		if c.FD() == fds[0] {
			return c, end
		}
	}
	t.Fatal("the connection is not among the open ones")
	return Conn{}, nil
}

// oneByte reads no further than it must, so that a buffer over it does not eat
// what comes behind.
type oneByte struct{ *bufio.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), 1)]) }

// readFrame reads a whole frame of the server's.
func readFrame(r io.Reader) (head, payload []byte, err error) {
	head = make([]byte, 2, 10)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, nil, err
	}
	for {
		h, n, perr := parseServerHeader(head)
		if perr != nil {
			return nil, nil, perr
		}
		if n > 0 {
			payload = make([]byte, h)
			_, err = io.ReadFull(r, payload)
			return head, payload, err
		}
		head = append(head, 0)
		if _, err := io.ReadFull(r, head[len(head)-1:]); err != nil {
			return nil, nil, err
		}
	}
}

// parseServerHeader is naive on purpose.
func parseServerHeader(b []byte) (length, n int, err error) {
	switch {
	case b[0]&0x70 != 0 || b[1]&0x80 != 0:
		return 0, 0, fmt.Errorf("not a server's header: % x", b)
	case b[1] < 126:
		return int(b[1]), 2, nil
	case b[1] == 126 && len(b) == 4:
		return int(binary.BigEndian.Uint16(b[2:])), 4, nil
	case b[1] == 127 && len(b) == 10:
		return int(binary.BigEndian.Uint64(b[2:])), 10, nil
	}
	return 0, 0, nil
}

func nextFrame(t testing.TB, end *peerEnd) []byte {
	t.Helper()
	head, payload, err := readFrame(end.br)
	if err != nil {
		t.Fatal(err)
	}
	return append(head, payload...)
}

// lag is how many bytes wait for a connection.
func lag(c Conn) int { info, _ := c.Info(); return info.Queued }

// slowReader reads at its own pace.
type slowReader struct{ r io.Reader }

func (r slowReader) Read(p []byte) (int, error) {
	switch rand.IntN(40) {
	case 0:
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond) // a pace, not an order
	case 1, 2, 3:
		p = p[:min(len(p), 1+rand.IntN(50))]
	}
	return r.r.Read(p)
}

// message is what pusher p says as its nth: a payload that can be checked.
func message(p, n, size int) []byte {
	b := fmt.Appendf(nil, "%d/%d/%d:", p, n, size)
	return append(b, bytes.Repeat([]byte{byte('a' + (p+n)%26)}, size)...)
}

// What arrives is what was pushed: whole, once, in order for each pusher, at
// any size of writes.
func TestQueue(t *testing.T) {
	for writeCap := range 18 {
		t.Run(fmt.Sprintf("WriteCap %d", writeCap), func(t *testing.T) {
			t.Parallel()
			messages, maxSize := 40, 400
			if writeCap == 0 {
				messages, maxSize = 150, 20_000
			}
			if longTest() {
				messages *= 10
			}
			queueProperty(t, writeCap, messages, maxSize)
		})
	}
}

func queueProperty(t *testing.T, writeCap, messages, maxSize int) {
	const pushers = 5 // the last is the client itself, through an echo
	echo := &Funcs{OnMessage: func(c Conn, op ws.OpCode, data []byte) {
		if err := c.Push(op, data); err != nil {
			t.Error(err)
		}
	}}
	s := serve(t, Config{WriteCap: writeCap, MaxQueue: 1 << 30, MaxMessage: 1 << 20}, echo)
	c, end := join(t, s, 4096)
	var all sync.WaitGroup
	push := func(p int, send func(b []byte) error) {
		all.Go(func() {
			for n := range messages {
				if err := send(message(p, n, rand.IntN(maxSize))); err != nil {
					t.Errorf("pusher %d: %v", p, err)
				}
			}
		})
	}
	push(0, func(b []byte) error { return c.Push(ws.OpText, b) })
	push(1, func(b []byte) error { return c.Push(ws.OpText, b) })
	push(2, func(b []byte) error {
		f, _ := NewFrame(ws.OpText, b)
		return c.PushFrame(f)
	})
	log, at := s.NewLog(Plain), uint64(0)
	push(3, func(b []byte) error { // as a room does
		log.Append(ws.OpText, b)
		cut := log.Next(at)
		at = cut.End()
		log.Forget(at)
		return s.Offer(c.ID(), cut)
	})
	push(4, func(b []byte) error { _, err := end.Write(frame(0x81, string(b))); return err })
	next, total := make([]int, pushers), uint64(end.answer)
	in := slowReader{end.br}
	for range pushers * messages {
		head, payload, err := readFrame(in)
		if err != nil {
			t.Fatal(err)
		}
		total += uint64(len(head) + len(payload))
		var p, n, size int
		if _, err := fmt.Sscanf(string(payload[:min(len(payload), 40)]), "%d/%d/%d:", &p, &n, &size); err != nil || head[0] != 0x81 {
			t.Fatalf("frame %02x %.50q", head[0], payload)
		}
		if n != next[p] || !bytes.Equal(payload, message(p, n, size)) {
			t.Fatalf("pusher %d's message %d is damaged or out of order, want %d", p, n, next[p])
		}
		next[p]++
	}
	all.Wait()
	soon(t, "the queue is empty", func() bool { return lag(c) == 0 && s.queued.Load() == 0 && s.outputs.len() == 0 })
	soon(t, "the bytes are counted", func() bool { info, _ := c.Info(); return info.BytesOut == total })
	if info, _ := c.Info(); info.MessagesOut != pushers*uint64(messages) || info.MessagesIn != uint64(messages) {
		t.Errorf("%d messages out, %d in; want %d and %d", info.MessagesOut, info.MessagesIn, pushers*messages, messages)
	}
	if f := c.r.flags.Load(); f&fBlocked != 0 {
		t.Errorf("blocked is left: %b", f)
	}
}

// fill pushes until something waits, and returns what the client is to get.
func fill(t *testing.T, c Conn) (sent int) {
	t.Helper()
	for lag(c) == 0 {
		if err := c.Push(ws.OpBinary, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		sent++
	}
	return sent
}

// Cuts that follow each other in memory are one reference.
func TestQueueMergesCuts(t *testing.T) {
	s := serve(t, Config{}, nil)
	c, _ := join(t, s, 4096)
	fill(t, c)
	refs := func() int {
		c.r.mu.Lock()
		defer c.r.mu.Unlock()
		return len(s.outputs.at(c.r.output).refs)
	}
	log, at := s.NewLog(Plain), uint64(0)
	before := refs()
	for i := range 20 {
		log.Append(ws.OpText, []byte("twenty to a segment"))
		cut := log.Next(at)
		if err := s.Offer(c.ID(), cut); err != nil {
			t.Fatal(err)
		}
		if at = cut.End(); refs() != before+1 {
			t.Fatalf("%d references after cut %d, want %d", refs(), i, before+1)
		}
	}
	cut := log.Next(0)
	for range 2 { // the same again is no continuation
		s.Offer(c.ID(), cut)
	}
	if refs() != before+3 {
		t.Errorf("%d references after the same cut twice, want %d", refs(), before+3)
	}
}

func TestQueuePolicy(t *testing.T) {
	const maxQueue = 20_000
	for _, tt := range []struct {
		policy Policy
		err    error
	}{{CloseSlow, ErrSlow}, {DropNewest, ErrQueueFull}} {
		t.Run(fmt.Sprint(tt.err), func(t *testing.T) {
			closed := make(chan Closed, 10)
			s := serve(t, Config{MaxQueue: maxQueue, Policy: tt.policy}, &Funcs{OnClose: func(_ Conn, why Closed) { closed <- why }})
			c, end := join(t, s, 4096)
			other, otherEnd := join(t, s, 4096)
			taken := 0
			var err error
			for ; err == nil && taken < 100; taken++ {
				err = c.Push(ws.OpText, message(0, taken, 1000))
			}
			if taken--; !errors.Is(err, tt.err) {
				t.Fatalf("after %d messages: %v", taken, err)
			}
			if n := lag(c); tt.policy == DropNewest && (n > maxQueue || n < maxQueue-1100) {
				t.Errorf("%d bytes wait at the limit of %d", n, maxQueue)
			}
			for range 10 {
				if err := c.Push(ws.OpText, message(0, taken, 1000)); !errors.Is(err, tt.err) && !errors.Is(err, ErrClosed) {
					t.Errorf("behind the limit: %v", err)
				}
			}
			n := 0
			for ; n < taken || tt.policy == CloseSlow; n++ {
				_, payload, err := readFrame(end.br)
				if err != nil && tt.policy == CloseSlow {
					break
				}
				if err != nil || !bytes.Equal(payload, message(0, n, 1000)) {
					t.Fatalf("message %d: %.40q, %v", n, payload, err)
				}
			}
			if tt.policy == CloseSlow {
				if why := <-closed; why.Cause != Slow || n >= taken {
					t.Errorf("closed as %v after %d of %d messages", why, n, taken)
				}
			} else {
				if err := c.Push(ws.OpText, []byte("again")); err != nil {
					t.Errorf("once there is room: %v", err)
				}
				if got := nextFrame(t, end); string(got[2:]) != "again" {
					t.Errorf("got %.40q", got)
				}
				if n := s.Stats().Dropped; n != 11 {
					t.Errorf("%d dropped, want 11", n)
				}
			}
			if err := other.Push(ws.OpText, []byte("hi")); err != nil || string(nextFrame(t, otherEnd)[2:]) != "hi" {
				t.Error("another connection is not served")
			}
		})
	}
}

// One message may exceed the limit if nothing waits before it: pushed from
// outside, and from within the connection's turn.
func TestQueueOverlarge(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 300_000)
	pushed := make(chan error, 10)
	s := serve(t, Config{MaxQueue: 1000, Policy: DropNewest}, &Funcs{OnMessage: func(c Conn, op ws.OpCode, _ []byte) {
		pushed <- c.Push(op, big)
		pushed <- c.Push(op, []byte("second"))
	}})
	for _, within := range []bool{false, true} {
		c, end := join(t, s, 4096)
		if within {
			end.Write(frame(0x81, "go"))
		} else {
			pushed <- c.Push(ws.OpText, big)
			pushed <- c.Push(ws.OpText, []byte("second"))
		}
		if err := <-pushed; err != nil {
			t.Errorf("within %v: %v", within, err)
		}
		if err := <-pushed; !errors.Is(err, ErrQueueFull) {
			t.Errorf("within %v, behind it: %v", within, err)
		}
		if _, payload, err := readFrame(end.br); err != nil || !bytes.Equal(payload, big) {
			t.Errorf("within %v: got %d bytes, %v", within, len(payload), err)
		}
	}
}

// The callbacks of the watermarks alternate, and never run beside another.
func TestQueueWatermarks(t *testing.T) {
	var busy atomic.Bool
	var calls strings.Builder // on the turn only
	var full, drained, beside atomic.Int64
	alone := func(f func()) {
		if busy.Swap(true) {
			beside.Add(1)
		}
		f()
		busy.Store(false)
	}
	s := serve(t, Config{MaxQueue: 1 << 20, HighWater: 20_000, LowWater: 5000, Workers: 2}, &Funcs{
		OnFull:    func(Conn) { alone(func() { calls.WriteByte('F'); full.Add(1) }) },
		OnDrained: func(Conn) { alone(func() { calls.WriteByte('D'); drained.Add(1) }) },
		OnMessage: func(c Conn, op ws.OpCode, data []byte) {
			alone(func() {
				for range len(data) {
					_ = c.Push(ws.OpBinary, make([]byte, 1000))
				}
			})
		},
	})
	c, end := join(t, s, 4096)
	for range 20 {
		sent := 0
		for ; lag(c) <= 20_000; sent++ {
			if err := c.Push(ws.OpBinary, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		soon(t, "it is told that the queue is full", func() bool { return full.Load() == drained.Load()+1 })
		for range sent {
			nextFrame(t, end)
		}
		soon(t, "the queue is drained and it is told", func() bool { return full.Load() == drained.Load() })
	}
	// A burst within a turn crosses both marks before anybody can be told.
	burst, rest := join(t, s, 1<<20)
	for range 20 {
		rest.Write(frame(0x81, strings.Repeat("x", 30)))
		for range 30 {
			nextFrame(t, rest)
		}
	}
	soon(t, "the turns end", func() bool { return burst.r.turn.Load() == turnIdle && c.r.turn.Load() == turnIdle })
	if text := calls.String(); strings.Contains(text, "FF") || strings.Contains(text, "DD") || text[0] != 'F' || full.Load() != drained.Load() {
		t.Errorf("called in the order %s", text)
	}
	if n := beside.Load(); n > 0 {
		t.Errorf("%d calls came beside another", n)
	}
}

// At the total the largest lag goes first, and only as many as must.
func TestQueueEviction(t *testing.T) {
	closed := make(chan Conn, 10)
	cause := make(chan Cause, 10)
	s := serve(t, Config{MaxQueued: 200_000}, &Funcs{OnClose: func(c Conn, why Closed) { closed <- c; cause <- why.Cause }})
	var conns []Conn
	for _, size := range []int{40_000, 80_000, 60_000} {
		c, _ := join(t, s, 4096)
		if err := c.Push(ws.OpBinary, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if n := s.queued.Load(); n < 180_000 || n > 180_100 || len(closed) != 0 {
		t.Fatalf("%d bytes are held, %d connections closed", n, len(closed))
	}
	if err := conns[0].Push(ws.OpBinary, make([]byte, 25_000)); err != nil {
		t.Fatal(err)
	}
	if c := <-closed; c != conns[1] {
		t.Errorf("not the largest lag is closed")
	}
	if why := <-cause; why != OutOfMemory {
		t.Errorf("closed as %v", why)
	}
	soon(t, "the memory is free", func() bool { return s.queued.Load() < 126_000 })
	if n := s.Stats().Evictions; n != 1 || !conns[0].Exists() || !conns[2].Exists() {
		t.Errorf("%d evictions; the others exist: %v %v", n, conns[0].Exists(), conns[2].Exists())
	}
}

// A shared frame counts once in the total, for as long as anybody waits for it.
func TestQueueSharedFrame(t *testing.T) {
	s := serve(t, Config{MaxQueued: 150_000}, nil)
	f, _ := NewFrame(ws.OpBinary, make([]byte, 100_000))
	var ends []*peerEnd
	for range 10 {
		c, end := join(t, s, 4096)
		ends = append(ends, end)
		if err := c.PushFrame(f); err != nil {
			t.Fatal(err)
		}
		if n := s.queued.Load(); n != int64(f.plain.size) || lag(c) < 50_000 {
			t.Fatalf("%d bytes are held for %d receivers, this one's lag is %d", n, len(ends), lag(c))
		}
	}
	for i, end := range ends {
		if n := s.queued.Load(); n != int64(f.plain.size) {
			t.Errorf("%d bytes are held while %d wait", n, len(ends)-i)
		}
		nextFrame(t, end)
	}
	soon(t, "nothing is held", func() bool { return s.queued.Load() == 0 })
	if n := s.Stats().Evictions; n != 0 {
		t.Errorf("%d evictions", n)
	}
}
