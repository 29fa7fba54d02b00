package attack

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"
)

// plantedVariable makes the test binary a server with the fault that it names.
const plantedVariable = "WEBIM_ATTACK_TEST_PLANTED"

func TestMain(m *testing.M) {
	if fault, ok := os.LookupEnv(plantedVariable); ok {
		if err := (&planted{fault: fault, rooms: map[string]map[net.Conn]bool{}}).serve(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
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
