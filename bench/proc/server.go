package proc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a server that we started ourselves.
type Server struct {
	cmd    *exec.Cmd
	out    *Tail
	exited chan struct{}
}

// StartServer runs a command and waits until the URL's port answers; a command with shell characters goes through sh. The
// server dies with us, whatever happens; behind a shell it survives only that we are killed by SIGKILL.
func StartServer(ctx context.Context, command, addr string) (*Server, error) {
	if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("--cmd: something listens on %s already: stop it, or give its --pid instead", addr)
	}
	return StartAnswering(ctx, fmt.Sprintf("--cmd %q", command), SplitCommand(command), addr)
}

// StartAnswering starts a program, which errors call name, and waits until addr answers.
func StartAnswering(ctx context.Context, name string, argv []string, addr string) (*Server, error) {
	s, err := StartProcess(argv, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			return s, nil
		}
		select {
		case <-s.exited:
			return nil, fmt.Errorf("%s ended before %s answered; it said: %s", name, addr, s.out)
		case <-ctx.Done():
			s.Stop()
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Stop()
			return nil, fmt.Errorf("%s does not listen on %s after 30 s; it said: %s", name, addr, s.out)
		}
	}
}

// SplitCommand leaves the shell out where there is nothing for it to do: one process less in the tree.
func SplitCommand(command string) []string {
	if strings.ContainsAny(command, "\"'`$&|;<>()*?[]{}~\\#=\n") {
		return []string{"sh", "-c", command}
	}
	return strings.Fields(command)
}

// StartProcess starts a child in a process group of its own. firstLine, if set, gets its first line of standard output.
func StartProcess(argv []string, firstLine chan<- string) (*Server, error) {
	if len(argv) == 0 {
		return nil, fmt.Errorf("the command is empty")
	}
	s := &Server{cmd: exec.Command(argv[0], argv[1:]...), out: &Tail{first: firstLine}, exited: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out.later()
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // how it ended does not matter: it is we who end it
		close(s.exited)
	}()
	return s, nil
}

// PID returns the process to measure.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop asks the server and its children to end, and kills them after five seconds.
func (s *Server) Stop() {
	_ = syscall.Kill(-s.PID(), syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(-s.PID(), syscall.SIGKILL) // what is left of the group
	<-s.exited
}

// Tail keeps the last 4 KB that a child wrote, and passes on its first line of standard output.
type Tail struct {
	mu    sync.Mutex
	buf   []byte
	first chan<- string // nil: told, or nobody asked
	line  []byte        // what there is of it
}

func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keep(b)
	if t.first != nil {
		t.line = append(t.line, b...)
		if i := bytes.IndexByte(t.line, '\n'); i >= 0 || len(t.line) > 4<<10 {
			t.first <- string(t.line[:max(i, 0)])
			t.first, t.line = nil, nil
		}
	}
	return len(b), nil
}

func (t *Tail) keep(b []byte) {
	if t.buf = append(t.buf, b...); len(t.buf) > 4<<10 {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-4<<10:]...)
	}
}

// later is t without an eye on the first line.
func (t *Tail) later() io.Writer { return laterLines{t} }

type laterLines struct{ t *Tail }

func (l laterLines) Write(b []byte) (int, error) {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.t.keep(b)
	return len(b), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}

// Exited reports whether the server has ended, and the last that it wrote.
func (s *Server) Exited() (said string, ended bool) {
	select {
	case <-s.exited:
		return s.out.String(), true
	default:
		return "", false
	}
}

// StartAnnounced starts a program that names the address on which it listens in the first line of its standard output, bare or as http://ADDRESS/. Errors call
// the program name. The returned URL is the address as ws://ADDRESS/.
func StartAnnounced(ctx context.Context, name string, argv []string) (*Server, string, error) {
	line := make(chan string, 1)
	s, err := StartProcess(argv, line)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	first, err := s.firstLine(ctx, name, line)
	if err == nil {
		if url := urlIn(first); url != "" {
			return s, url, nil
		}
		err = fmt.Errorf("%s: its first line must name the address that it listens on; it said: %s", name, first)
	}
	s.Stop()
	return nil, "", err
}

// firstLine waits for a server's first line, 30 s at most. A server may write it and end at once: then the line counts, because it says more than the end.
func (s *Server) firstLine(ctx context.Context, name string, line <-chan string) (string, error) {
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	select {
	case first := <-line:
		return first, nil
	case <-s.exited:
	case <-timer.C:
		return "", fmt.Errorf("%s does not say that it listens, for 30 s; it said: %s", name, s.out)
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case first := <-line:
		return first, nil
	default:
		return "", fmt.Errorf("%s ended at once; it said: %s", name, s.out)
	}
}

// urlIn returns the first address in a line as a URL, or "".
func urlIn(line string) string {
	for _, word := range strings.Fields(line) {
		if at, err := netip.ParseAddrPort(strings.TrimSuffix(strings.TrimPrefix(word, "http://"), "/")); err == nil {
			return "ws://" + at.String() + "/"
		}
	}
	return ""
}

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.exited }

// Output returns the last 4 KB that the server wrote.
func (s *Server) Output() string { return s.out.String() }

// State says how the server ended, as os.ProcessState does. Call it when Done is closed.
func (s *Server) State() string { return s.cmd.ProcessState.String() }
