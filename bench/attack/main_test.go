package attack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/bench/benchtest"
	"webim/bench/cluster"
)

// Programs of the test binary, besides the bystander's.
const (
	plantedProgram = "planted" // a server; the argument is its fault
	mortalProgram  = "mortal"  // a bystander's process that ends when it is to return what it has seen
)

func TestMain(m *testing.M) {
	benchtest.Main(m, map[string]func(string) error{
		benchtest.WorkerProgram: func(string) error { return cluster.ServeWorker(os.Stdin, os.Stdout) },
		mortalProgram:           func(string) error { m := new(mortal); return cluster.ServeWorker(mortalInput{m}, m) },
		plantedProgram: func(fault string) error {
			return (&planted{fault: fault, rooms: map[string]map[net.Conn]bool{}}).serve()
		},
	})
}

// mortal writes replies to standard output.
type mortal struct{ replied atomic.Bool }

func (m *mortal) Write(b []byte) (int, error) {
	m.replied.Store(true)
	return os.Stdout.Write(b)
}

// mortalInput reads requests from standard input, and ends the process with the second one.
type mortalInput struct{ *mortal }

func (m mortalInput) Read(b []byte) (int, error) {
	n, err := os.Stdin.Read(b)
	if n > 0 && m.replied.Load() {
		return 0, errors.New("planted: out of order")
	}
	return n, err
}

// planted is a room server with one known fault, which begins when a client is in another room than /bystander.
type planted struct {
	fault string

	mu        sync.Mutex // guards the fields below
	rooms     map[string]map[net.Conn]bool
	attackers int
	kept      [][]byte
	files     []*os.File
}

func (s *planted) serve() error {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the test's end closes it
		os.Exit(0)
	}()
	return http.Serve(ln, http.HandlerFunc(s.handle))
}

func (s *planted) handle(w http.ResponseWriter, r *http.Request) {
	c, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer c.Close()
	attacker := r.URL.Path != "/bystander"
	s.enter(r.URL.Path, c, attacker)
	defer s.leave(r.URL.Path, c, attacker)
	s.read(r.URL.Path, c, rw.Reader, attacker)
}

// enter begins a fault that concerns connections.
func (s *planted) enter(room string, c net.Conn, attacker bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[room] == nil {
		s.rooms[room] = map[net.Conn]bool{}
	}
	s.rooms[room][c] = true
	if !attacker {
		return
	}
	s.attackers++
	switch s.fault {
	case "memory":
		s.kept = append(s.kept, []byte(strings.Repeat("x", 4<<20)))
	case "files":
		if f, err := os.Open(os.DevNull); err == nil {
			s.files = append(s.files, f)
		}
	case "die":
		fmt.Println("planted: out of order")
		os.Exit(3)
	case "cut":
		for b := range s.rooms["/bystander"] {
			b.Close()
		}
	}
}

func (s *planted) leave(room string, c net.Conn, attacker bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rooms[room], c)
	if attacker {
		s.attackers--
	}
}

// read sends each text to the room. It does not support fragments.
func (s *planted) read(room string, c net.Conn, r *bufio.Reader, attacker bool) {
	for {
		h, err := ws.ReadHeader(r)
		if err != nil || h.Length > 1<<20 {
			return
		}
		text := make([]byte, h.Length)
		if _, err := io.ReadFull(r, text); err != nil {
			return
		}
		ws.Cipher(text, h.Mask, 0)
		if h.OpCode != ws.OpText {
			continue
		}
		s.mu.Lock()
		if attacker && s.fault == "block" {
			time.Sleep(600 * time.Millisecond) // the fault: one client's message delays all others
			s.fault = ""
		}
		if !(s.fault == "drop" && !attacker && s.attackers > 0) {
			for member := range s.rooms[room] {
				_ = ws.WriteFrame(member, ws.NewTextFrame(text))
			}
		}
		s.mu.Unlock()
	}
}
