package benchtest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/bench/stamp"
	"webim/bench/ws"
)

// ChatServer is a room server of known behaviour, on goroutines and blocking sockets. Set the fields before Start.
type ChatServer struct {
	// Refuse returns the status for upgrade number n, from 0; zero accepts it.
	Refuse func(n int) int
	// Receive gets message number n, from 0, and returns the payloads to send to the room instead. The server's lock is held.
	Receive func(n int, payload []byte) [][]byte
	// Delay is how long the server keeps each message.
	Delay time.Duration
	// Patience is how long a client may block a write before the server cuts it.
	Patience time.Duration
	// OneRoom puts all clients in one room, regardless of their paths.
	OneRoom bool
	// Deflate makes the server agree to permessage-deflate and accept only compressed messages.
	Deflate bool
	// Terms are additional headers of the answer, each with its line end.
	Terms string
	// Requests is called with each upgrade.
	Requests func(*http.Request)
	// Pulse is the interval of the pings to each client; 0 means none.
	Pulse time.Duration
	// Greet is sent right after the answer to an upgrade.
	Greet []byte

	URL    string
	Secure *tls.Config // set by StartTLS
	done   sync.WaitGroup
	due    chan delivery

	mu       sync.Mutex
	rooms    map[string]map[net.Conn]bool
	upgrades int
	messages int
	pongs    int
}

// delivery is a message that waits for its time.
type delivery struct {
	at      time.Time
	room    string
	payload [][]byte
}

// Counted returns the number of received messages and pongs.
func (s *ChatServer) Counted() (messages, pongs int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages, s.pongs
}

// StartTLS serves over TLS, with a certificate of its own, until the test ends.
func (s *ChatServer) StartTLS(t testing.TB) *ChatServer {
	t.Helper()
	s.Secure = OwnCertificate(t)
	return s.Start(t)
}

// Start serves until the test ends.
func (s *ChatServer) Start(t testing.TB) *ChatServer {
	t.Helper()
	var ln net.Listener
	ln, s.URL = listen(t, s.Secure)
	s.rooms, s.due = map[string]map[net.Conn]bool{}, make(chan delivery, 1<<16)
	var deliver sync.WaitGroup
	deliver.Go(s.deliver)
	stop := make(chan struct{})
	if s.Pulse > 0 {
		deliver.Go(func() { s.beat(stop) })
	}
	accept(&s.done, ln, s.client)
	t.Cleanup(func() {
		ln.Close()
		s.mu.Lock()
		for _, room := range s.rooms {
			for c := range room {
				c.Close()
			}
		}
		s.mu.Unlock()
		s.done.Wait()
		close(s.due)
		close(stop)
		deliver.Wait()
	})
	return s
}

// client upgrades a connection and reads from it.
func (s *ChatServer) client(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	req.RemoteAddr = c.RemoteAddr().String()
	room := req.URL.Path
	if s.OneRoom {
		room = "/"
	}
	s.mu.Lock()
	n := s.upgrades
	s.upgrades++
	if s.Refuse != nil && s.Refuse(n) != 0 {
		fmt.Fprintf(c, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", s.Refuse(n))
		s.mu.Unlock()
		return
	}
	if s.Requests != nil {
		s.Requests(req)
	}
	terms := s.Terms
	if s.Deflate {
		terms += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
		ws.AcceptKey(req.Header.Get("Sec-WebSocket-Key")), terms)
	_, _ = c.Write(append(answer, s.Greet...))
	if s.rooms[room] == nil {
		s.rooms[room] = map[net.Conn]bool{}
	}
	s.rooms[room][c] = true
	s.mu.Unlock()
	for s.frame(room, r) == nil {
	}
	s.mu.Lock()
	delete(s.rooms[room], c)
	s.mu.Unlock()
}

// readClientFrame reads one frame, which must be masked.
func readClientFrame(r io.Reader) (h ws.Header, payload []byte, err error) {
	head := make([]byte, 2, 14)
	if _, err = io.ReadFull(r, head); err != nil {
		return h, nil, err
	}
	head = head[:ws.HeaderSize(head)]
	if _, err = io.ReadFull(r, head[2:]); err != nil {
		return h, nil, err
	}
	if h, err = ws.ParseHeader(head); err != nil || !h.Masked {
		return h, nil, ws.ErrMasking
	}
	payload = make([]byte, h.Length)
	if _, err = io.ReadFull(r, payload); err != nil {
		return h, nil, err
	}
	ws.Mask(payload, h.Mask, 0)
	return h, payload, nil
}

// frame serves one frame. The lab's clients send whole messages only.
func (s *ChatServer) frame(room string, r *bufio.Reader) error {
	h, payload, err := readClientFrame(r)
	if err != nil {
		return err
	}
	if !h.Control() && h.Compressed != s.Deflate {
		return ws.ErrReserved
	}
	if h.Compressed {
		plain := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(ws.DeflateTail)))
		if payload, err = io.ReadAll(plain); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch h.Op {
	case ws.Text:
		out := [][]byte{payload}
		if s.Receive != nil {
			out = s.Receive(s.messages, payload)
		}
		s.messages++
		s.due <- delivery{time.Now().Add(s.Delay), room, out}
	case ws.Pong:
		s.pongs++
	case ws.Close:
		return io.EOF
	}
	return nil
}

// deliver sends the messages at their times, in order.
func (s *ChatServer) deliver() {
	for d := range s.due {
		time.Sleep(time.Until(d.at)) // the behaviour under test
		for _, payload := range d.payload {
			s.broadcast(d.room, s.frameOf(payload))
		}
	}
}

// beat pings all clients.
func (s *ChatServer) beat(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(s.Pulse):
			s.mu.Lock()
			for _, room := range s.rooms {
				for c := range room {
					_, _ = c.Write(ws.AppendFrame(nil, ws.Ping, nil, nil))
				}
			}
			s.mu.Unlock()
		}
	}
}

// frameOf returns a message as a frame. It uses the standard library's compressor, so that the client's own one is not
// tested against itself.
func (s *ChatServer) frameOf(payload []byte) []byte {
	if !s.Deflate {
		return ws.AppendFrame(nil, ws.Text, payload, nil)
	}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6) // no error for a known level
	_, _ = w.Write(payload)
	_ = w.Flush()
	return ws.AppendFrame(nil, ws.Text|ws.RSV1, bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")), nil)
}

func (s *ChatServer) broadcast(room string, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.rooms[room] {
		if s.Patience > 0 {
			_ = c.SetWriteDeadline(time.Now().Add(s.Patience))
		}
		if _, err := c.Write(frame); err != nil && s.Patience > 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
			delete(s.rooms[room], c)
		}
	}
}

// SeqIn returns the number of the message with this payload.
func SeqIn(payload []byte) int { return int(stamp.Number(binary.LittleEndian.Uint64(payload))) }
