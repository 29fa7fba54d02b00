package smoke

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/ws"
)

func TestCentrifugeSmoke(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	if err := (Test{URL: (&benchtest.ChannelServer{}).Start(t).URL, Dialect: client.Centrifuge}).Run(ctx); err != nil {
		t.Error(err)
	}
	twice := (&benchtest.ChannelServer{Copies: func(n int) int { return 1 + n/20%2 }}).Start(t)
	if err := (Test{URL: twice.URL, Dialect: client.Centrifuge}).Run(ctx); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
	changed := (&benchtest.ChannelServer{Push: func(channel string, data []byte) string {
		return `{"push":{"channel":"` + channel + `","pub":{"data":` + strings.Replace(string(data), `\u003c`, ">", 1) + `}}}`
	}}).Start(t)
	if err := (Test{URL: changed.URL, Dialect: client.Centrifuge}).Run(ctx); err == nil || !strings.Contains(err.Error(), "other contents") {
		t.Error(err)
	}
	refusing := (&benchtest.ChannelServer{Refuse: func(name string, _ int) int { return map[string]int{"subscribe": 103}[name] }}).Start(t)
	if err := (Test{URL: refusing.URL, Dialect: client.Centrifuge}).Run(ctx); err == nil || !strings.Contains(err.Error(), "103") {
		t.Error(err)
	}
}

// relay is a chat server with a fault. send returns the bytes for client number to, from 0, for message number n of client
// number from, in the same room.
type relay struct {
	send func(n, from, to int, op byte, payload []byte) []byte
	// oneRoom reports whether a message of this length goes to all rooms; nil means never.
	oneRoom func(length int) bool
	// hello is sent right after the answer to an upgrade.
	hello []byte

	mu      sync.Mutex
	clients map[int]net.Conn
	paths   []string // by number
	joined  int
	n       int
}

// right returns the bytes that a chat room sends.
func right(_, _, _ int, op byte, payload []byte) []byte { return ws.AppendFrame(nil, op, payload, nil) }

// start serves until the test ends.
func (s *relay) start(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.clients = map[int]net.Conn{}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			done.Go(func() { s.client(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		s.mu.Lock()
		for _, c := range s.clients {
			c.Close()
		}
		s.mu.Unlock()
		done.Wait()
	})
	return "ws://" + ln.Addr().String() + "/"
}

func (s *relay) client(conn net.Conn) {
	defer conn.Close()
	c := &member{conn: conn, r: bufio.NewReader(conn)}
	req, err := http.ReadRequest(c.r)
	if err != nil {
		return
	}
	s.mu.Lock()
	me := s.joined
	s.joined++
	s.clients[me], s.paths = conn, append(s.paths, req.URL.Path)
	_, _ = conn.Write(append([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		ws.AcceptKey(req.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n"), s.hello...))
	s.mu.Unlock()
	for {
		op, payload, err := unmasked(c.r)
		s.mu.Lock()
		if err != nil || op == ws.Close {
			delete(s.clients, me)
			s.mu.Unlock()
			return
		}
		if op < ws.Close {
			for to, other := range s.clients {
				if s.paths[to] != s.paths[me] && (s.oneRoom == nil || !s.oneRoom(len(payload))) {
					continue
				}
				_, _ = other.Write(s.send(s.n, me, to, op, payload))
			}
			s.n++
		}
		s.mu.Unlock()
	}
}

// unmasked reads a client's frame.
func unmasked(r *bufio.Reader) (op byte, payload []byte, err error) {
	head, err := r.Peek(2)
	if err != nil {
		return 0, nil, err
	}
	if head, err = r.Peek(ws.HeaderSize(head)); err != nil {
		return 0, nil, err
	}
	h, err := ws.ParseHeader(head)
	if err != nil {
		return 0, nil, err
	}
	frame := make([]byte, h.Size+h.Length)
	for at := 0; at < len(frame); {
		n, err := r.Read(frame[at:])
		if err != nil {
			return 0, nil, err
		}
		at += n
	}
	payload = frame[h.Size:]
	ws.Mask(payload, h.Mask, 0)
	return h.Op, payload, nil
}

func TestSmokeOfAChatRoom(t *testing.T) {
	servers := map[string]*relay{
		"plain":  {send: right},
		"pinged": {send: right, hello: []byte{0x80 | ws.Ping, 2, 'h', 'i'}},
		// The first messages of each client come before it has joined. It must send again.
		"slow to join": {send: func(n, from, to int, op byte, payload []byte) []byte {
			if n < 3 {
				return nil
			}
			return right(n, from, to, op, payload)
		}},
	}
	for name, s := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := (Test{URL: s.start(t) + "some/path"}).Run(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Every fault is found and named.
func TestSmokeOfFaults(t *testing.T) {
	cases := []struct {
		name, says string
		send       func(n, from, to int, op byte, payload []byte) []byte
		hello      []byte
		oneRoom    func(length int) bool
	}{
		{name: "one room for all paths", says: "rooms are not separate", send: right, oneRoom: func(int) bool { return true }},
		{name: "a long message comes to all rooms", says: "rooms are not separate", send: right, oneRoom: func(length int) bool { return length > 4096 }},
		{name: "one client misses one message", says: "did not receive", send: func(n, from, to int, op byte, payload []byte) []byte {
			if len(payload) == 4096 && op == ws.Text && from == 1 && to == 2 {
				return nil
			}
			return right(n, from, to, op, payload)
		}},
		{name: "one client gets one message twice", says: "twice", send: func(n, from, to int, op byte, payload []byte) []byte {
			frame := right(n, from, to, op, payload)
			if len(payload) == 125 && op == ws.Binary && from == 3 && to == 1 {
				frame = append(frame, frame...)
			}
			return frame
		}},
		{name: "the sender is left out", says: "never received one", send: func(n, from, to int, op byte, payload []byte) []byte {
			if from == to {
				return nil
			}
			return right(n, from, to, op, payload)
		}},
		{name: "echo", says: "did not receive", send: func(n, from, to int, op byte, payload []byte) []byte {
			if from != to {
				return nil
			}
			return right(n, from, to, op, payload)
		}},
		{name: "binary comes as text", says: "opcode 1", send: func(n, from, to int, _ byte, payload []byte) []byte {
			return right(n, from, to, ws.Text, payload)
		}},
		{name: "one bit is wrong", says: "other contents", send: func(n, from, to int, op byte, payload []byte) []byte {
			frame := right(n, from, to, op, payload)
			if len(payload) == 70000 && to == 3 {
				frame[len(frame)-1] ^= 1
			}
			return frame
		}},
		{name: "cut off", says: "other contents", send: func(n, from, to int, op byte, payload []byte) []byte {
			return right(n, from, to, op, payload[:min(len(payload), 65535)])
		}},
		{name: "fragments", says: "several frames", send: func(n, from, to int, op byte, payload []byte) []byte {
			if len(payload) <= 4096 {
				return right(n, from, to, op, payload)
			}
			b := ws.AppendFrame(nil, op, payload[:4096], nil)
			b[0] &^= 0x80
			return ws.AppendFrame(b, ws.Continuation, payload[4096:], nil)
		}},
		{name: "several messages in one frame", says: "other contents", send: func(n, from, to int, op byte, payload []byte) []byte {
			return right(n, from, to, op, append(payload[:len(payload):len(payload)], payload...))
		}},
		{name: "a greeting", says: "nobody sent", send: right, hello: ws.AppendFrame(nil, ws.Text, []byte("welcome"), nil)},
		{name: "a masked frame", says: "masked", send: func(_, _, _ int, op byte, payload []byte) []byte {
			return ws.AppendFrame(nil, op, payload, &[4]byte{1, 2, 3, 4})
		}},
		{name: "a close", says: "the server closed the connection", send: func(n, from, to int, op byte, payload []byte) []byte {
			if len(payload) == 70000 {
				return ws.AppendFrame(nil, ws.Close, nil, nil)
			}
			return right(n, from, to, op, payload)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &relay{send: c.send, hello: c.hello, oneRoom: c.oneRoom}
			err := Test{URL: s.start(t), Timeout: 2 * time.Second}.Run(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("said %v; want %q", err, c.says)
			}
		})
	}
}

func TestSmokeIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &relay{send: func(int, int, int, byte, []byte) []byte { // sends nothing
		cancel()
		return nil
	}}
	if err := (Test{URL: s.start(t)}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSmokeOfNobody(t *testing.T) {
	s := &benchtest.ChatServer{Refuse: func(int) int { return http.StatusForbidden }}
	s.Start(t)
	err := Test{URL: s.URL}.Run(context.Background())
	var r client.Refusal
	if !errors.As(err, &r) || r.Status != http.StatusForbidden {
		t.Error(err)
	}
	var option *option.Error
	for _, bad := range []Test{{URL: s.URL, Clients: 2}, {URL: "wss://127.0.0.1:1/"}, {URL: "nonsense"}} {
		if err := bad.Run(context.Background()); !errors.As(err, &option) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
