package bench

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// chatServer is a room server of known behaviour, on goroutines and blocking sockets. The fields may be set before start.
type chatServer struct {
	// refuse says with which status the nth upgrade, from 0, is answered; zero: it is accepted.
	refuse func(n int) int
	// receive gets each message, numbered from 0 in the order of arrival, and returns what to send to every client of the room instead. The server's lock is held.
	receive func(n int, payload []byte) [][]byte
	// delay is for how long each message is kept.
	delay time.Duration
	// patience is how long a client may block a write; then it is cut.
	patience time.Duration
	// oneRoom puts all clients into one room, whatever their paths are.
	oneRoom bool
	// deflate makes it agree to permessage-deflate; it takes no other messages then.
	deflate bool
	// terms are more headers of its answer, each with its line end.
	terms string
	// requests sees each upgrade.
	requests func(*http.Request)
	// pulse is how often each client is pinged; 0: never.
	pulse time.Duration
	// greet is sent right behind the answer to an upgrade.
	greet []byte

	url    string
	secure *tls.Config // of startTLS
	ln     net.Listener
	done   sync.WaitGroup
	due    chan delivery

	mu       sync.Mutex
	rooms    map[string]map[net.Conn]bool
	upgrades int
	messages int
	pongs    int
}

// delivery is a message on its way.
type delivery struct {
	at      time.Time
	room    string
	payload [][]byte
}

// counted is how many messages and pongs have come.
func (s *chatServer) counted() (messages, pongs int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages, s.pongs
}

// start serves until the test ends.
func (s *chatServer) start(t testing.TB) *chatServer {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "ws://" + ln.Addr().String() + "/"
	return s.serve(t, ln)
}

// startTLS is start over TLS.
func (s *chatServer) startTLS(t testing.TB) *chatServer {
	t.Helper()
	s.secure = ownCertificate(t)
	ln, err := tls.Listen("tcp4", "127.0.0.1:0", s.secure)
	if err != nil {
		t.Fatal(err)
	}
	s.url = "wss://" + ln.Addr().String() + "/"
	return s.serve(t, ln)
}

// ownCertificate is what a server needs that nobody has reason to trust.
func ownCertificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func (s *chatServer) serve(t testing.TB, ln net.Listener) *chatServer {
	s.ln, s.rooms, s.due = ln, map[string]map[net.Conn]bool{}, make(chan delivery, 1<<16)
	var deliver sync.WaitGroup
	deliver.Go(s.deliver)
	stop := make(chan struct{})
	if s.pulse > 0 {
		deliver.Go(func() { s.beat(stop) })
	}
	s.done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.done.Go(func() { s.client(c) })
		}
	})
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
func (s *chatServer) client(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	req.RemoteAddr = c.RemoteAddr().String()
	room := req.URL.Path
	if s.oneRoom {
		room = "/"
	}
	s.mu.Lock()
	n := s.upgrades
	s.upgrades++
	if s.refuse != nil && s.refuse(n) != 0 {
		fmt.Fprintf(c, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", s.refuse(n))
		s.mu.Unlock()
		return
	}
	if s.requests != nil {
		s.requests(req)
	}
	terms := s.terms
	if s.deflate {
		terms += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
		acceptKey(req.Header.Get("Sec-WebSocket-Key")), terms)
	_, _ = c.Write(append(answer, s.greet...))
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
func readClientFrame(r io.Reader) (h header, payload []byte, err error) {
	head := make([]byte, 2, 14)
	if _, err = io.ReadFull(r, head); err != nil {
		return h, nil, err
	}
	head = head[:headerSize(head)]
	if _, err = io.ReadFull(r, head[2:]); err != nil {
		return h, nil, err
	}
	if h, err = parseHeader(head); err != nil || !h.masked {
		return h, nil, errMasking
	}
	payload = make([]byte, h.length)
	if _, err = io.ReadFull(r, payload); err != nil {
		return h, nil, err
	}
	xorMask(payload, h.mask, 0)
	return h, payload, nil
}

// frame serves one frame; our clients send whole messages only.
func (s *chatServer) frame(room string, r *bufio.Reader) error {
	h, payload, err := readClientFrame(r)
	if err != nil {
		return err
	}
	if !h.control() && h.packed != s.deflate {
		return errReserved
	}
	if h.packed {
		plain := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(deflateTail)))
		if payload, err = io.ReadAll(plain); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch h.op {
	case opText:
		out := [][]byte{payload}
		if s.receive != nil {
			out = s.receive(s.messages, payload)
		}
		s.messages++
		s.due <- delivery{time.Now().Add(s.delay), room, out}
	case opPong:
		s.pongs++
	case opClose:
		return io.EOF
	}
	return nil
}

// deliver sends what is due, in order.
func (s *chatServer) deliver() {
	for d := range s.due {
		time.Sleep(time.Until(d.at)) // the behaviour under test
		for _, payload := range d.payload {
			s.broadcast(d.room, s.frameOf(payload))
		}
	}
}

// beat pings all clients.
func (s *chatServer) beat(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(s.pulse):
			s.mu.Lock()
			for _, room := range s.rooms {
				for c := range room {
					_, _ = c.Write(appendFrame(nil, opPing, nil, nil))
				}
			}
			s.mu.Unlock()
		}
	}
}

// frameOf is a message as it is sent. The standard library's compressor: the client's must not be its own judge.
func (s *chatServer) frameOf(payload []byte) []byte {
	if !s.deflate {
		return appendFrame(nil, opText, payload, nil)
	}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6) // no error for a known level
	_, _ = w.Write(payload)
	_ = w.Flush()
	return appendFrame(nil, opText|rsv1, bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")), nil)
}

func (s *chatServer) broadcast(room string, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.rooms[room] {
		if s.patience > 0 {
			_ = c.SetWriteDeadline(time.Now().Add(s.patience))
		}
		if _, err := c.Write(frame); err != nil && s.patience > 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
			delete(s.rooms[room], c)
		}
	}
}

// seqIn is the number that a payload carries.
func seqIn(payload []byte) int { return int(number(binary.LittleEndian.Uint64(payload))) }
