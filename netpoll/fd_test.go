package netpoll_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// childEnv makes TestFDChild the server of a process with few descriptors.
const childEnv = "WEBIM_FD_CHILD"

const childLimit = 120

// child is that process.
type child struct {
	t    *testing.T
	in   io.WriteCloser
	out  *bufio.Scanner
	addr string
}

func startChild(t *testing.T, maxConns int) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFDChild$")
	cmd.Env = append(os.Environ(), fmt.Sprint(childEnv, "=", maxConns))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		in.Close()
		for c.out.Scan() {
			if l := c.out.Text(); strings.HasPrefix(l, "leak") || strings.HasPrefix(l, "not closed") {
				t.Error(l)
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child: %v", err)
		}
	})
	c.addr = c.line("")
	return c
}

// line sends a command and reads the answer.
func (c *child) line(command string) string {
	c.t.Helper()
	if command != "" {
		io.WriteString(c.in, command+"\n")
	}
	if !c.out.Scan() {
		c.t.Fatalf("the child says nothing to %q", command)
	}
	return c.out.Text()
}

func (c *child) pauses() int { n, _ := strconv.Atoi(c.line("pauses")); return n }

// inheritable lists the descriptors that an exec would hand down.
func inheritable() (names []string) {
	dir, _ := os.ReadDir("/proc/self/fd")
	for _, e := range dir {
		fd, _ := strconv.Atoi(e.Name())
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); fd > 2 && err == nil && flags&unix.FD_CLOEXEC == 0 {
			name, _ := os.Readlink("/proc/self/fd/" + e.Name())
			names = append(names, name)
		}
	}
	return names
}

// TestFDChild is not a test but what startChild runs.
func TestFDChild(t *testing.T) {
	maxConns, err := strconv.Atoi(os.Getenv(childEnv))
	if err != nil {
		return // nobody asked
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: childLimit, Max: childLimit}); err != nil {
		t.Fatal(err)
	}
	before, inherited := wstest.Descriptors(t), len(inheritable())
	s := netpoll.New(netpoll.Config{MaxConns: maxConns, PingInterval: -1, Loops: 2, Logger: slog.New(slog.DiscardHandler)}, echo())
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(addr)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "pauses":
			fmt.Println(s.Stats().AcceptPauses)
		case "inheritable":
			names := inheritable()
			fmt.Println(len(names)-inherited, names)
		}
	}
	s.Shutdown(context.Background(), 0)
	if after := wstest.Descriptors(t); after != before {
		fmt.Println("leak: descriptors before and after:", before, after)
	}
}

// Without room under MaxConns the kernel says so: the listener rests and
// comes back; nobody who is in is closed; in the end everybody was served.
func TestFDExhaustion(t *testing.T) {
	const clients = 200
	ch := startChild(t, 1<<20)
	if l := ch.line("inheritable"); !strings.HasPrefix(l, "0 ") {
		t.Errorf("an exec would hand down %s", l)
	}
	entered := make(chan *wstest.Client, clients)
	var all sync.WaitGroup
	for range clients {
		c := wstest.Dial(t, ch.addr)
		c.SendBytes(wstest.Upgrade())
		all.Go(func() {
			c.ResetDeadline()
			r, err := http.ReadResponse(c.Reader, nil)
			if err != nil || r.StatusCode != http.StatusSwitchingProtocols {
				t.Errorf("a client that waited: %v", err)
				c.Conn.Close()
				c = nil
			}
			entered <- c
		})
	}
	wstest.Eventually(t, "the descriptors are used up", func() bool { return ch.pauses() > 0 })
	var in []*wstest.Client
	for range childLimit / 2 {
		in = append(in, receive(t, "a client in", entered))
	}
	served := 0
	serve := func(c *wstest.Client) {
		if c != nil {
			c.Send(text, "hello")
			c.Expect(text, "hello")
			served++
		}
	}
	for _, c := range in {
		serve(c) // while the listener rests
	}
	for _, c := range in {
		c.Leave()
	}
	for range clients - len(in) {
		c := receive(t, "a client in", entered)
		serve(c)
		c.Leave()
	}
	if all.Wait(); served != clients {
		t.Errorf("%d of %d were served", served, clients)
	}
}

// By default MaxConns keeps descriptors back to refuse with: 503 or at least a
// close, no silence, and nobody who is in is harmed.
func TestFDReserve(t *testing.T) {
	ch := startChild(t, 0)
	var in []*wstest.Client
	refused, closed := 0, 0
	for range 200 {
		c := wstest.Dial(t, ch.addr)
		c.ResetDeadline()
		c.Conn.Write(wstest.Upgrade())
		r, err := http.ReadResponse(c.Reader, nil)
		switch {
		case err != nil:
			closed++
		case r.StatusCode == http.StatusSwitchingProtocols:
			in = append(in, c)
		case r.StatusCode == http.StatusServiceUnavailable && r.Header.Get("Retry-After") != "":
			refused++ // and it stays, which costs the server a descriptor for a while
		default:
			t.Fatal(r.Status)
		}
	}
	if len(in) != childLimit-64-2*4 || refused == 0 || ch.pauses() != 0 {
		t.Errorf("%d in, %d refused, %d closed, %d pauses", len(in), refused, closed, ch.pauses())
	}
	for _, c := range in {
		c.Send(text, "hello")
		c.Expect(text, "hello")
	}
	in[0].Leave()
	wstest.Eventually(t, "its place is free", func() bool {
		c := wstest.Dial(t, ch.addr)
		defer c.Conn.Close()
		c.ResetDeadline()
		c.Conn.Write(wstest.Upgrade())
		r, err := http.ReadResponse(c.Reader, nil)
		return err == nil && r.StatusCode == http.StatusSwitchingProtocols
	})
}

// Descriptors come back; ids do not.
func TestFDReuse(t *testing.T) {
	n := 100
	if wstest.Long() {
		n = 2000
	}
	var mu sync.Mutex
	seen, descriptors := map[netpoll.ID]bool{}, map[int]bool{}
	s, addr := start(t, netpoll.Config{}, &netpoll.Funcs{OnOpen: func(c netpoll.Conn, _ *netpoll.Request) {
		mu.Lock()
		defer mu.Unlock()
		if seen[c.ID()] || c.ID() == 0 {
			panic("an id is given out twice")
		}
		seen[c.ID()], descriptors[c.FD()] = true, true
		_ = c.Push(2, fmt.Append(nil, uint64(c.ID())))
	}})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for i := range n {
				c := wstest.Dial(t, addr)
				c.SendBytes(wstest.Upgrade())
				r, err := http.ReadResponse(c.Reader, nil)
				if err != nil || r.StatusCode != http.StatusSwitchingProtocols {
					t.Errorf("handshake: %v", err)
					return
				}
				_, payload, err := c.ReadFrame()
				id, _ := strconv.ParseUint(string(payload), 10, 64)
				conn, ok := s.Conn(netpoll.ID(id))
				if info, there := conn.Info(); err != nil || !ok || !there || info.Remote.String() != c.Conn.LocalAddr().String() {
					t.Errorf("id %x is of %v, not of %v", id, info.Remote, c.Conn.LocalAddr())
				}
				if i%2 == 0 {
					c.TCP().SetLinger(0)
				}
				c.Conn.Close()
				wstest.Eventually(t, "the id ends", func() bool { _, ok := s.Conn(netpoll.ID(id)); return !ok })
			}
		})
	}
	clients.Wait()
	if len(seen) != 8*n || len(descriptors) > 64 {
		t.Errorf("%d ids on %d descriptors for %d connections", len(seen), len(descriptors), 8*n)
	}
	if st := s.Stats(); st.Panics != 0 || st.Open != 0 {
		t.Errorf("%d panics, %d open", st.Panics, st.Open)
	}
}
